"""Find files and videos that serve both training and evaluation, and files that share a stem."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from lightning.pytorch.utilities import rank_zero_info, rank_zero_only, rank_zero_warn

from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.disk import is_file, real_path
from unlabelled.data.media.equal_files import equal_files

HELD_OUT = ("val", "test")

Names = dict[str, list[str]]
"""Paths or other names by split, each once."""


class SharedFileError(ValueError):
    """A file of an own data set is in a training and in a held-out split."""


class Lists(Protocol):
    """Members of a :class:`~datamodules.base.SampleDataModule` that the comparison reads."""

    root: str

    @property
    def published(self) -> bool:
        """True if the lists are those of a published data set."""

    def listed(self, split: str) -> Sequence[str]:
        """Return a path or another name for each listed sample of a split."""

    def videos(self, split: str) -> Sequence[str]:
        """Return the videos that the samples of a split are parts of."""


def compare_splits(data: Lists, train: str) -> None:
    """Compare the samples to train on with those of ``val`` and ``test``, which may be the same.

    A file in both is an error in an own data set, and counted and named in a warning in a published one.
    Samples of the same video are counted and named, and in an own data set files of equal contents.

    Args:
        data: The data module.
        train: Its split to train on, or the bank.

    Raises:
        SharedFileError: A file of an own data set is in both, be it by a link.
    """
    held_out = [split for split in HELD_OUT if _is_listed(data, split)]
    files = {split: _files(data, split) for split in (train, *held_out)}
    for split, shared in _shared(train, files).items():
        _report(data, f"{train} and {split}", shared)
    videos = {split: list(dict.fromkeys(data.videos(split))) for split in (train, *held_out)}
    for split, shared in _shared(train, videos).items():
        (text,) = list_left_out({"videos of which both have a part:": shared})
        rank_zero_warn(f"{type(data).__name__}, {train} and {split}: {text}")
    if not data.published:
        _compare_contents(data, train, files)


def _is_listed(data: Lists, split: str) -> bool:
    try:
        data.listed(split)
    except FileNotFoundError as error:
        rank_zero_info(f"{split} is not compared with the training samples: {error}")
        return False
    return True


def _files(data: Lists, split: str) -> list[str]:
    """Return the listed paths, each once; of an own data set those of existing files, without links."""
    paths = data.listed(split)
    if not data.published:
        paths = [real_path(path) for path in paths if is_file(path)]
    return list(dict.fromkeys(paths))


def _shared(train: str, names: Names) -> Names:
    """Return the names that a held-out split shares with ``train``, by split; ``val and test`` if equal."""
    known = set(names[train])
    found = {split: [name for name in names[split] if name in known] for split in names if split != train}
    if len(found) == len(HELD_OUT) and len({tuple(each) for each in found.values()}) == 1:
        found = {" and ".join(found): next(iter(found.values()))}
    return {split: shared for split, shared in found.items() if shared}


def _report(data: Lists, where: str, paths: Iterable[str]) -> None:
    (text,) = list_left_out({"files in both:": [_below(data.root, path) for path in paths]})
    line = f"{type(data).__name__}, root={data.root!r}, {where}: {text}"
    if not data.published:
        raise SharedFileError(f"{line}; leave each file in one of them")
    rank_zero_warn(f"{line}; so the published lists have it")


@rank_zero_only
def _compare_contents(data: Lists, train: str, files: Names) -> None:
    held_out = dict.fromkeys(path for split in files if split != train for path in files[split])
    pairs = equal_files(files[train], held_out)
    names = [f"{_below(data.root, one)} = {_below(data.root, other)}" for one, other in pairs]
    for text in list_left_out({"files of equal contents:": names}):
        rank_zero_warn(f"{type(data).__name__}, root={data.root!r}, {train} and held-out: {text}")


def _below(root: str, path: str) -> str:
    """Return a path relative to the root, or unchanged if it is elsewhere or is another name."""
    for folder in (root, os.path.realpath(root)):
        path = path.removeprefix(f"{folder}/")
    return path


def warn_of_lists(name: str, split: str, paths: Sequence[str], repeated: Mapping[str, Sequence[str]]) -> None:
    """Warn about files that a list has more than once, and about stems of several files.

    Args:
        name: Name of the data module.
        split: The split.
        paths: The listed paths.
        repeated: The files that were not taken, by the file of the same stem that was.
    """
    once, twice = set[str](), dict[str, None]()
    for path in paths:
        if path in once:
            twice[path] = None
        once.add(path)
    stems = [f"{taken}, not {' or '.join(repeated[taken])}" for taken in repeated if taken in once]
    for text in list_left_out(
        {"files listed more than once:": list(twice), "stems of several files:": stems}
    ):
        rank_zero_warn(f"{name}, {split}: {text}")
