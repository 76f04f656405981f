"""The 200 scene recordings of the D-CASE 2013 challenge, named DCASE2014 in papers on audio features."""

from __future__ import annotations

from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from datamodules.clips import ClipDataModule
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.files import AUDIO_SUFFIXES, scan_files
from unlabelled.data.media.index import Entry

SCENES = [
    "bus", "busystreet", "office", "openairmarket", "park", "quietstreet", "restaurant", "supermarket",
    "tube", "tubestation",
]  # fmt: skip
_FOLDERS = {"train": "scenes_stereo", "test": "scenes_stereo_testset"}
_TEST_PREFIX = "test_"


class DCASE2014(ClipDataModule):
    """Ten scenes with ten training and ten test recordings each; ``val`` is ``test``.

    ``train`` is the development set, ``scenes_stereo.zip``, and ``test`` the evaluation set,
    ``scenes_stereo_testset.zip``, each unpacked to a folder of its name anywhere below ``root``. The files
    are named ``<scene><two digits>.wav``, and many names occur in both. Files whose names begin with
    ``test_``, as ``dcase_util`` renames them, are test recordings in any folder. There is no list: a
    warning names scenes with another number of recordings.

    Args:
        root: Folder of the data set.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`. The pipeline must not need images; use
            :class:`~unlabelled.pipelines.AudioPipeline`.

    Raises:
        FileNotFoundError: There is no recording of a split.

    Source: Stowell et al. 2015; archive.org/details/dcase2013_scene_classification and, for the test set,
        .../dcase2013_scene_classification_testset; Hu et al. 2019 (DMC), supplement section 4;
        docs/methods/dmc.md#audio-classification.
    """

    holds = ("audio",)
    published = True
    num_recordings = 10

    def __init__(self, root: str, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    @property
    def class_names(self) -> list[str]:
        """The ten scenes in alphabetical order."""
        return list(SCENES)

    def listing(self, split: str) -> list[Entry]:
        """Return the recordings of the development set, or of the test set."""
        official = "train" if split == "train" else "test"
        paths = [path for path in self._audio_files if _split(path) == official]
        if not paths:
            raise FileNotFoundError(
                f"DCASE2014: root={self.root!r} has no audio file in a folder {_FOLDERS[official]}; unpack "
                f"{_FOLDERS[official]}.zip there"
            )
        scenes = {path: _scene(path) for path in paths}
        entries = [Entry(path, SCENES.index(scene)) for path, scene in scenes.items() if scene in SCENES]
        self._report(official, entries, [path for path, scene in scenes.items() if scene not in SCENES])
        return entries

    def _report(self, split: str, entries: list[Entry], unknown: list[str]) -> None:
        """Warn about scenes with another number of recordings than ten, and about other files."""
        found = [sum(entry.label == label for entry in entries) for label in range(len(SCENES))]
        other = [f"{name} {n}" for name, n in zip(SCENES, found, strict=True) if n != self.num_recordings]
        if other:
            rank_zero_warn(
                f"DCASE2014, {split}: expected {self.num_recordings} recordings of each scene, found "
                f"{', '.join(other)}"
            )
        for text in list_left_out({"files not named after a scene": unknown}):
            rank_zero_warn(f"DCASE2014, {split}: left out: {text}")

    @cached_property
    def _audio_files(self) -> list[str]:
        return scan_files(self.root, AUDIO_SUFFIXES, allow_outside=self.allow_outside)


def _split(path: str) -> str | None:
    """Return the split of an audio file, or None for a file of another data set."""
    parts = PurePosixPath(path).parts
    if parts[-1].startswith(_TEST_PREFIX) or _FOLDERS["test"] in parts[:-1]:
        return "test"
    return "train" if _FOLDERS["train"] in parts[:-1] else None


def _scene(path: str) -> str:
    return PurePosixPath(path).stem.removeprefix(_TEST_PREFIX).rstrip("0123456789")
