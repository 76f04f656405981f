"""Kinetics-400, -600, -700 and -200 (Kay et al. 2017 and successors), and Kinetics-Sound."""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from lightning.pytorch.utilities import rank_zero_warn

from datamodules.class_groups import read_groups
from datamodules.clips import ClipDataModule
from unlabelled.data.inside import check_listed
from unlabelled.data.left_out import list_left_out
from unlabelled.data.lists import one_line, open_list, read_lines
from unlabelled.data.media.disk import is_folder
from unlabelled.data.media.files import MEDIA_SUFFIXES, find_list, scan_files
from unlabelled.data.media.index import Entry

KINETICS_SOUND_CLASSES = [
    "blowing nose",
    "blowing out candles",
    "bowling",
    "chopping wood",
    "dribbling basketball",
    "laughing",
    "mowing lawn",
    "playing accordion",
    "playing bagpipes",
    "playing bass guitar",
    "playing clarinet",
    "playing drums",
    "playing guitar",
    "playing harmonica",
    "playing keyboard",
    "playing organ",
    "playing piano",
    "playing saxophone",
    "playing trombone",
    "playing trumpet",
    "playing violin",
    "playing xylophone",
    "ripping paper",
    "shoveling snow",
    "shuffling cards",
    "singing",
    "stomping grapes",
    "strumming guitar",
    "tap dancing",
    "tapping guitar",
    "tapping pen",
    "tickling",
]
"""The 32 classes of SeLaVi's Kinetics-Sound; other papers use 31 to 34.

Source: facebookresearch/selavi, datasets/AVideoDataset.py; docs/methods/selavi.md#data-lists.

L3-Net, which made the set (arXiv:1705.08168, appendix A.1), names 34 classes of Kinetics before its release:
these, five of them in other words, and "patting" and "typing".
"""

_VARIANTS = {"200": 200, "400": 400, "600": 600, "700": 700}


class Kinetics(ClipDataModule):
    """Kinetics, by class folders or by the official CSV.

    With a CSV for the split (``<split>.csv`` in ``root`` or ``root/annotations``; header ``label,youtube_id,
    time_start,time_end,split``) the files ``<id>_<start:06d>_<end:06d>.mp4`` may lie in any folder below
    ``root``. Without one, the files of a split are ``root/<split>/<class>/*``. The validation split is
    also ``test``, whose labels are not always published.

    Args:
        root: Folder of the data set.
        variant: Number of classes of the release; checked against the classes found.
        class_list: Text file, one class per line, relative to ``root``: only these classes, in this order.
            Required for Kinetics-200 (Xie et al. 2018) in a Kinetics-400 folder.
        group_list: Table with the columns ``class`` and ``group``, relative to ``root``, for scores of
            hierarchies; ``null``: no groups.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.

    Raises:
        FileNotFoundError: Neither a CSV nor class folders exist.
        ValueError: Too many classes for the variant, an absent class, or a CSV without its columns.
    """

    published = True

    def __init__(
        self,
        root: str,
        variant: Literal["200", "400", "600", "700"] = "400",
        class_list: str | None = None,
        group_list: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.variant, self.class_list, self.group_list = variant, class_list, group_list

    @cached_property
    def class_names(self) -> list[str]:
        """The class list, or the classes of the training split in alphabetical order."""
        found = sorted({name for name, _ in self._clips("train")})
        names = self._chosen_classes()
        if names is None:
            names = found
        elif unknown := [name for name in names if name not in found]:
            raise ValueError(
                f"{type(self).__name__}: {len(unknown)} of {len(names)} classes have no training clip listed "
                f"in root={self.root!r}, for example {unknown[0]!r}"
            )
        if len(names) > _VARIANTS[self.variant]:
            raise ValueError(
                f"{type(self).__name__}: {len(names)} classes in root={self.root!r}, but variant="
                f"{self.variant!r} has {_VARIANTS[self.variant]}; set variant or class_list"
            )
        return names

    @cached_property
    def class_groups(self) -> list[str] | None:
        """The group of each class by ``group_list``; None: no groups."""
        return None if self.group_list is None else read_groups(self.root, self.group_list, self.class_names)

    def _chosen_classes(self) -> list[str] | None:
        if self.class_list is None:
            return None
        lines = read_lines(find_list(self.root, [], self.class_list, "class_list"))
        return [_class_name(line) for line in lines if line.strip()]

    def listing(self, split: str) -> list[Entry]:
        """Return the clips of the chosen classes."""
        number = {name: n for n, name in enumerate(self.class_names)}
        clips = self._clips(split)
        if self._chosen_classes() is None:
            unknown = [f"{path} ({name})" for name, path in clips if name not in number]
            for text in list_left_out({"of classes without a training clip, left out:": unknown}):
                rank_zero_warn(f"{type(self).__name__}, {split}: {text}")
        return [Entry(path, number[name]) for name, path in clips if name in number]

    def videos(self, split: str) -> list[str]:
        """Return the YouTube id of each clip, the first eleven characters of its file's name."""
        return [Path(path).stem[:11] for _, path in self._clips(split)]

    def _clips(self, split: str) -> list[tuple[str, str]]:
        """Return class and path of all clips of a split."""
        folder = "train" if split == "train" else "val"
        table = _first_file([Path(self.root, sub, f"{folder}.csv") for sub in ("", "annotations")])
        if table is not None:
            return self._from_csv(table)
        names = ("train",) if split == "train" else ("val", "test")
        candidates = [Path(self.root, name) for name in names]
        existing = next((path for path in candidates if is_folder(str(path))), None)
        if existing is None:
            raise FileNotFoundError(
                f"{type(self).__name__}: root={self.root!r} has neither {folder}.csv (nor "
                f"annotations/{folder}.csv) nor a folder {folder}/ of class folders"
            )
        found = scan_files(self.root, MEDIA_SUFFIXES, existing.name, self.allow_outside)
        return [
            (_class_name(path.parent.name), str(path))
            for path in map(PurePosixPath, found)
            if len(path.parts) == 3  # <split>/<class>/<file>
        ]

    def _from_csv(self, table: Path) -> list[tuple[str, str]]:
        clips = []
        for number, row in enumerate(csv.DictReader(open_list(table)), 2):
            try:
                stem = f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}"
                name = _class_name(row["label"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{table}, row {number}: expected the columns label,youtube_id,time_start,time_end "
                    f"with whole seconds ({error!r})"
                ) from error
            check_listed(stem, f"{table}, row {number}")
            clips.append((name, self.locate([stem, row["youtube_id"]], f"{stem}.mp4")))
        return clips


class KineticsSound(Kinetics):
    """Kinetics-Sound: the 32 sounding classes that SeLaVi uses, or others, in a Kinetics-400 folder.

    Labels are 0 to 31, not the indices among all 400 classes.

    Args:
        root: Folder of Kinetics-400, or of these classes alone.
        class_list: Text file with other classes, one per line, relative to ``root``; ``null``: SeLaVi's 32.
        **kwargs: See :class:`Kinetics`, but ``variant``, and :class:`~datamodules.clips.ClipDataModule`.
    """

    def __init__(self, root: str, class_list: str | None = None, **kwargs: Any) -> None:
        super().__init__(root, variant="400", class_list=class_list, **kwargs)

    def _chosen_classes(self) -> list[str]:
        chosen = super()._chosen_classes()
        return list(KINETICS_SOUND_CLASSES) if chosen is None else chosen


def _class_name(text: str) -> str:
    """Return one spelling for ``playing_drums``, ``playing drums`` and ``"playing drums"``."""
    return one_line(text.strip().strip('"').replace("_", " "))


def _first_file(paths: list[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)
