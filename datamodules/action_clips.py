"""UCF101 (Soomro et al. 2012) and HMDB51 (Kuehne et al. 2011): human actions, in three folds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from datamodules.clips import ClipDataModule
from unlabelled.data.inside import check_listed
from unlabelled.data.lists import read_lines
from unlabelled.data.media.index import Entry

Fold = Literal[1, 2, 3]
Listed = tuple[str, str, str]
"""Split, class and file name of a clip."""


class _ActionClips(ClipDataModule):
    """Clips of one of three official folds, with ``train`` and ``test``, which is also ``val``."""

    published = True
    num_classes: int
    list_folders: tuple[str, ...]

    def __init__(self, root: str, fold: Fold = 1, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)
        self.fold = fold

    @abstractmethod
    def _read(self, folder: Path) -> Iterator[Listed]:
        """Yield the entries of the fold's lists in ``folder``, if there are any."""

    @cached_property
    def _clips(self) -> list[Listed]:
        self.check_root()
        for name in self.list_folders:
            if clips := list(self._read(Path(self.root, name))):
                return clips
        raise FileNotFoundError(
            f"{type(self).__name__}: the official lists of fold {self.fold} are neither in "
            f"root={self.root!r} nor in its folders {', '.join(self.list_folders[1:])}; unpack them there"
        )

    @cached_property
    def class_names(self) -> list[str]:
        """The classes of the lists in alphabetical order."""
        names = sorted({name for _, name, _ in self._clips})
        if len(names) != self.num_classes:
            raise ValueError(
                f"{type(self).__name__}: the lists of fold {self.fold} in root={self.root!r} have "
                f"{len(names)} classes, not {self.num_classes}; unpack all of them"
            )
        return names

    def listing(self, split: str) -> list[Entry]:
        """Return the clips of ``train`` in the fold, or of ``test`` for ``val`` and ``test``."""
        official = "train" if split == "train" else "test"
        number = {name: n for n, name in enumerate(self.class_names)}
        entries = []
        for row_split, name, file in self._clips:
            if row_split == official:
                stem = Path(file).stem
                path = self.locate([f"{name}/{stem}", stem], f"{name}/{file}")
                entries.append(Entry(path, number[name]))
        return entries


class UCF101(_ActionClips):
    """UCF101: 13 320 clips of 101 actions, 9537 of them to train on in fold 1.

    The lists ``trainlist0<fold>.txt`` and ``testlist0<fold>.txt`` (``Class/file.avi [label]``) lie in
    ``root``, ``root/ucfTrainTestlist`` or ``root/annotations``, the files in any folder below ``root``.
    Labels follow the alphabetical order of the classes.

    Args:
        root: Folder of the data set.
        fold: The official fold.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`. Half of the clips have no audio; they are
            left out if the pipeline requires it.

    Raises:
        FileNotFoundError: The lists are missing.
        ValueError: A line names no class folder, or the lists have more or less than 101 classes.
    """

    num_classes = 101
    list_folders = ("", "ucfTrainTestlist", "annotations")

    def __init__(self, root: str, fold: Fold = 1, **kwargs: Any) -> None:
        super().__init__(root, fold, **kwargs)

    def videos(self, split: str) -> list[str]:
        """Return the group of each clip, ``v_Class_g01``: clips of a group were cut from one video."""
        return [Path(entry.path).stem.rpartition("_c")[0] for entry in self.listing(split)]

    def _read(self, folder: Path) -> Iterator[Listed]:
        for split in ("train", "test"):
            path = folder / f"{split}list0{self.fold}.txt"
            if not path.is_file():
                return
            for number, line in enumerate(read_lines(path), 1):
                if line.strip():
                    listed = check_listed(line.split()[0], f"{path}, line {number}")
                    name, slash, file = listed.partition("/")
                    if not slash:
                        raise ValueError(f"{path}, line {number}: {line!r} is not `Class/file.avi [label]`")
                    yield split, name, file


class HMDB51(_ActionClips):
    """HMDB51: 6766 clips of 51 actions; a fold has 70 of each to train on and 30 to test.

    The lists ``<class>_test_split<fold>.txt`` (``file.avi tag``; 1: train, 2: test, 0: neither) lie in
    ``root``, ``root/testTrainMulti_7030_splits``, ``root/splits`` or ``root/annotations``, the files in any
    folder below ``root``.

    Args:
        root: Folder of the data set.
        fold: The official fold.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`. Clips without audio are left out if the
            pipeline requires it.

    Raises:
        FileNotFoundError: The lists are missing.
        ValueError: A line has no tag, or there are lists of more or less than 51 classes.
    """

    num_classes = 51
    list_folders = ("", "testTrainMulti_7030_splits", "splits", "annotations")

    def __init__(self, root: str, fold: Fold = 1, **kwargs: Any) -> None:
        super().__init__(root, fold, **kwargs)

    def _read(self, folder: Path) -> Iterator[Listed]:
        ending, splits = f"_test_split{self.fold}.txt", {"1": "train", "2": "test", "0": "neither"}
        for path in sorted(folder.glob(f"*{ending}")):
            for number, line in enumerate(read_lines(path), 1):
                fields = line.rsplit(None, 1)
                if fields and (len(fields) != 2 or fields[1] not in splits):
                    raise ValueError(f"{path}, line {number}: {line!r} is not `file.avi 0|1|2`")
                if fields:
                    file = check_listed(fields[0].strip(), f"{path}, line {number}")
                    yield splits[fields[1]], path.name.removesuffix(ending), file
