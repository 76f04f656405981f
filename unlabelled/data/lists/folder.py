"""Own files: those of a folder, or of a table of it, with their classes and splits."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from unlabelled.data.left_out import list_left_out
from unlabelled.data.lists.own_table import SPLIT_NAMES, Listed, read_table
from unlabelled.data.lists.shares import Shares, held_out_files
from unlabelled.data.lists.text import one_line
from unlabelled.data.media.disk import is_file, real_path
from unlabelled.data.media.files import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    MEDIA_SUFFIXES,
    UNREADABLE,
    other_files,
    scan_files,
)

Labels = Literal["auto", "folders", "none"]
SPLITS = ("train", "val", "test")
_KINDS = {
    "videos.yaml": ("videos", MEDIA_SUFFIXES),
    "sounds.yaml": ("audio files", AUDIO_SUFFIXES),
    "images.yaml": ("images", IMAGE_SUFFIXES),
}
"""Nouns and endings of the other kinds of own files, by the configuration that reads them."""


@dataclass(frozen=True)
class FileList:
    """Own files by split.

    Attributes:
        splits: The files of ``train``, ``val`` and ``test``. Without files of their own, ``val`` and ``test``
            are equal; without any held-out file both are ``train``.
        class_names: Names of the classes in alphabetical order; empty: there are no labels.
        by_share: Whether the held-out files are a share, not those of a column or of folders.
        notes: Texts for the log: what was passed over, where classes and splits are from.
    """

    splits: dict[str, list[Listed]]
    class_names: list[str]
    by_share: bool
    notes: list[str] = field(default_factory=list)

    @property
    def holds_out(self) -> bool:
        """True if some files are not used for training."""
        return self.splits["val"] is not self.splits["train"]


def list_files(
    root: str,
    suffixes: tuple[str, ...],
    table: str | None = None,
    labels: Labels = "auto",
    shares: Shares | None = None,
    allow_outside: bool = False,
) -> FileList:
    """List the files of a folder, at any depth, or those of a table.

    Classes are the column ``label`` of the table; without one, with ``auto``, the folders if each file lies
    in one of at least two folders ``<class>`` or ``<split>/<class>``. Splits are the column ``split``;
    without one the folders ``train``, ``val`` and ``test`` if all files lie in these, otherwise shares of
    the files, drawn by their names.

    Args:
        root: The folder.
        suffixes: Endings of the files.
        table: CSV, TSV or JSON lines with a column ``path`` and any of ``label``, ``start``, ``end``,
            ``split`` and ``caption``; paths begin at the root, or in the folder of the table.
        labels: Also ``folders``: the folder that each file lies in. ``none``: no labels, whatever is there.
        shares: Shares of the held-out files; None: a fifth is ``val`` and ``test``.
        allow_outside: Use files that lie outside of the root, by a link or by their path in the table.

    Raises:
        FileNotFoundError: There is no such table.
        OutsideRootError: A file lies outside of the root, and this is not allowed.
        ValueError: There is no file, a row is wrong, or there are too few files to hold one out.
    """
    unreadable: list[str] = []
    paths = scan_files(root, suffixes, allow_outside=allow_outside, unreadable=unreadable)
    if table is None:
        once, links = without_links(root, paths)
        listed = [Listed(path) for path in once]
        left_out = {
            "passed over, of other kinds:": other_files(root, suffixes),
            "links to these files:": links,
        }
        notes = list_left_out(left_out)
    else:
        listed, notes = read_table(root, table, paths, allow_outside)
    notes = [*list_left_out({UNREADABLE: unreadable}), *notes]
    if not listed:
        kinds = ", ".join(sorted(suffixes))
        passed = f" ({'; '.join(notes)})" if notes else ""
        raise ValueError(f"root={root!r} has no file that ends in {kinds}{passed}; {_advice(root, suffixes)}")
    listed, note = _with_labels(listed, labels)
    named, how = _named_splits(listed)
    by_share = not named
    if by_share:
        shares = shares if shares is not None else Shares()
        named, how = _drawn_splits(root, listed, shares), str(shares)
    splits, counts = _by_split(root, listed, named)
    names = sorted({each.label for each in listed if each.label})
    return FileList(splits, names, by_share, [*notes, note, f"splits: {how} ({counts})"])


def _advice(root: str, suffixes: tuple[str, ...]) -> str:
    """Return what to do where a folder has no file of these endings: it may have files of another kind."""
    others = other_files(root, suffixes)
    for config, (noun, endings) in _KINDS.items():
        if count := sum(path.lower().endswith(endings) for path in others):
            return f"configs/data/{config} reads its {count} {noun}"
    return "set root to the folder of files"


def without_links(root: str, paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the paths that lead to different files, and those that lead to one of these by a link."""
    real: dict[str, str] = {}
    for path in paths:
        real.setdefault(real_path(os.path.join(root, path)), path)
    once = set(real.values())
    return [path for path in paths if path in once], [path for path in paths if path not in once]


def _with_labels(listed: list[Listed], labels: Labels) -> tuple[list[Listed], str]:
    """Return the files with their classes, and where these are from."""
    if labels == "none":
        return [replace(each, label="") for each in listed], "no labels are used"
    if labels == "auto" and any(each.label for each in listed):
        texts = list_left_out({"without a label:": [each.path for each in listed if not each.label]})
        return listed, "; ".join(["classes: column label", *texts])
    find = _own_folder if labels == "folders" else _class_folder
    folders = [find(each.path) for each in listed]
    outside = [each.path for each, name in zip(listed, folders, strict=True) if not name]
    texts = list_left_out({"in no class folder:": outside})
    if labels == "auto" and (outside or len(set(folders)) < 2):
        return listed, "; ".join(["no labels", *(texts if any(folders) else [])])
    named = [replace(each, label=name) for each, name in zip(listed, folders, strict=True)]
    return named, "; ".join([f"classes: {len(set(folders) - {''})} folders", *texts])


def _own_folder(path: str) -> str:
    return one_line(PurePosixPath(path).parent.name)


def _class_folder(path: str) -> str:
    """Return ``<class>`` of ``<class>/file`` or ``<split>/<class>/file``, otherwise an empty name."""
    folders = PurePosixPath(path).parts[:-1]
    if len(folders) == 2 and folders[0].lower() in SPLIT_NAMES:
        folders = folders[1:]
    is_class = len(folders) == 1 and folders[0].lower() not in SPLIT_NAMES
    return one_line(folders[0]) if is_class else ""


def _named_splits(listed: Sequence[Listed]) -> tuple[list[str], str]:
    """Return the split of each file by the table or by folders, and which; none: neither names all."""
    if any(each.split for each in listed):
        return [each.split for each in listed], "column split"
    folders = [SPLIT_NAMES.get(PurePosixPath(each.path).parts[0].lower(), "") for each in listed]
    return (folders, "folders") if all(folders) and len(set(folders)) > 1 else ([], "")


def _drawn_splits(root: str, listed: Sequence[Listed], shares: Shares) -> list[str]:
    """Return the split of each file, drawn among those on disk."""
    on_disk = [each.path for each in listed if is_file(os.path.join(root, each.path))]
    held_out = held_out_files(root, on_disk or [each.path for each in listed], shares)
    return [held_out.get(each.path, "train") for each in listed]


def _by_split(
    root: str, listed: Sequence[Listed], named: Sequence[str]
) -> tuple[dict[str, list[Listed]], str]:
    """Return the files by split, and their numbers as a text."""
    found: dict[str, list[Listed]] = {split: [] for split in SPLITS}
    for each, split in zip(listed, named, strict=True):
        found[split].append(replace(each, split=split))
    counts = ", ".join(f"{len(found[split])} {split}" for split in SPLITS if found[split])
    if not found["train"]:
        raise ValueError(
            f"no file of root={root!r} is in train (there are {counts}); write train for some files in the "
            "column split, or move them to a folder train"
        )
    found["val"] = found["val"] or found["test"] or found["train"]
    found["test"] = found["test"] or found["val"]
    return found, counts
