"""The list of own files, for data modules of any folder."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from datamodules.splits import compare_splits
from unlabelled.data.lists import FileList, Labels, Listed, Shares, list_files
from unlabelled.data.media.disk import is_file

_NO_LABEL = -1


class OwnFiles:
    """Files of a folder, or of a table of it, by split; see :func:`unlabelled.data.lists.list_files`.

    Args:
        owner: Name of the data module, for the log.
        root: The folder.
        suffixes: Endings of the files.
        table: The table; None: all files of the folder.
        labels: Source of the classes.
        shares: Shares of the held-out files.
        allow_outside: Use files that lie outside of the root.
    """

    def __init__(
        self,
        owner: str,
        root: str,
        suffixes: tuple[str, ...],
        table: str | None,
        labels: Labels,
        shares: Shares,
        allow_outside: bool = False,
    ) -> None:
        self.owner, self.root, self.suffixes = owner, root, suffixes
        self.table, self.labels, self.shares, self.allow_outside = table, labels, shares, allow_outside

    def __getitem__(self, split: str) -> list[Listed]:
        """Return the files of a split."""
        return self.listed.splits[split]

    @cached_property
    def listed(self) -> FileList:
        """The files by split; where splits and classes are from is logged."""
        try:
            files = list_files(
                self.root, self.suffixes, self.table, self.labels, self.shares, self.allow_outside
            )
        except ValueError as error:
            raise ValueError(f"{self.owner}: {error}") from error
        for note in files.notes:
            rank_zero_info(f"{self.owner}: {note}")
        return files

    @property
    def class_names(self) -> list[str]:
        """The classes in alphabetical order; empty: there are no labels."""
        return self.listed.class_names

    def label(self, listed: Listed) -> int:
        """Return the number of the class of a file; -1: it has none."""
        return self._numbers.get(listed.label, _NO_LABEL)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.class_names)}

    def exists(self, listed: Listed) -> bool:
        """Return whether a file is on disk."""
        return is_file(os.path.join(self.root, listed.path))

    def compare(self, data: Any, train: str) -> None:
        """Compare the splits as :func:`~datamodules.splits.compare_splits` does, if a file is held out."""
        if self.listed.holds_out:
            compare_splits(data, train)
        else:
            rank_zero_warn(f"{self.owner}: no file is held out; val and test are the training files")
