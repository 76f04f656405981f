"""ESC-50 (Piczak 2015): 2000 environmental recordings of 5 seconds, 50 classes, five folds."""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datamodules.clips import ClipDataModule
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import open_list
from unlabelled.data.media.files import AUDIO_SUFFIXES, find_list
from unlabelled.data.media.index import Entry

Fold = Literal[1, 2, 3, 4, 5]
_COLUMNS = ("filename", "fold", "target", "category")


class _Row(NamedTuple):
    filename: str
    fold: int
    target: int
    category: str


class ESC50(ClipDataModule):
    """Recordings listed by the official ``esc50.csv``.

    The list (columns ``filename, fold, target, category, ...``) lies in ``root/meta`` or ``root``, the files
    ``1-100032-A-0.wav`` in ``root/audio`` or any other folder below ``root``.

    Args:
        root: Folder of the data set.
        fold: The fold that is ``val`` and ``test``; the other four are ``train``. ``null``: all recordings
            are ``val`` and ``test``, and each fold is evaluated with a classifier fitted on the others
            (:meth:`folds`), without ``train``.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`. The pipeline must not need images; use
            :class:`~unlabelled.pipelines.AudioPipeline`.

    Raises:
        FileNotFoundError: The list is missing.
        ValueError: A row of it lacks a column or has no such number, or the number of classes is not
            50; or ``train`` is requested without a fold.

    Source: github.com/karolpiczak/ESC-50; docs/methods/dmc.md#audio-classification.
    """

    holds = ("audio",)
    published = True
    num_classes = 50
    suffixes = AUDIO_SUFFIXES

    def __init__(self, root: str, fold: Fold | None = 1, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)
        self.fold = fold

    @cached_property
    def rows(self) -> list[_Row]:
        """The official list."""
        path = find_list(self.root, ["meta/esc50.csv", "esc50.csv"], None, "ESC50")
        return [_parse(row, path, number) for number, row in enumerate(csv.DictReader(open_list(path)), 2)]

    @cached_property
    def class_names(self) -> list[str]:
        """The categories by target."""
        names = {row.target: row.category for row in self.rows}
        different = [row for row in self.rows if names[row.target] != row.category]
        if different or sorted(names) != list(range(self.num_classes)):
            wrong = (
                f"{different[0]} has a second category" if different else f"there are {len(names)} targets"
            )
            raise ValueError(
                f"ESC50: esc50.csv in root={self.root!r} should have one category for each target from 0 to "
                f"{self.num_classes - 1}, but {wrong}; fetch it again"
            )
        return [names[target] for target in range(self.num_classes)]

    def listing(self, split: str) -> list[Entry]:
        """Return the recordings of the held-out fold, of the four others, or of all five."""
        if split == "train" and self.fold is None:
            raise ValueError(
                "ESC50: with fold=null all recordings are evaluated fold by fold, by AudioSVMEvaluation, and "
                "there are none to train on or for a bank; set --data.init_args.fold to the "
                "fold to hold out, from 1 to 5"
            )
        _ = self.class_names  # check the list
        return [
            Entry(self.locate([Path(row.filename).stem], f"audio/{row.filename}"), row.target)
            for row in self._split(split)
        ]

    def videos(self, split: str) -> list[str]:
        """Return the recording of Freesound that each clip was cut from, the second part of its name."""
        return [row.filename.split("-")[1] for row in self._split(split) if row.filename.count("-") > 1]

    def _split(self, split: str) -> list[_Row]:
        return [
            row for row in self.rows if self.fold is None or (row.fold == self.fold) == (split != "train")
        ]

    def folds(self, split: str) -> list[int] | None:
        """Return the fold of each usable recording; None if one fold is held out."""
        if self.fold is not None:
            return None
        fold = {Path(row.filename).stem: row.fold for row in self.rows}
        return [fold[Path(entry.path).stem] for entry in self._indices[split].entries]


def _parse(row: dict[str, Any], path: Path, number: int) -> _Row:
    try:
        filename, fold, target, category = (row[name] for name in _COLUMNS)
        parsed = _Row(filename, int(fold), int(target), category)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}, row {number}: expected the columns {','.join(_COLUMNS)}, with whole numbers for fold "
            f"and target ({error!r})"
        ) from error
    check_listed(parsed.filename, f"{path}, row {number}")
    if parsed.fold not in range(1, 6):
        raise ValueError(f"{path}, row {number}: fold {parsed.fold} is not one of 1 to 5")
    return parsed
