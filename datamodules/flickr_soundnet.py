"""Flickr-SoundNet (Aytar et al. 2016) with the boxes of Senocak et al. 2018 around sounding objects."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.clips import ClipDataModule
from datamodules.flickr_files import FlickrFiles, read_boxes, read_numbers, scan_flickr, video_number
from datamodules.splits import warn_of_lists
from unlabelled.data.datasets.clips import ClipDataset
from unlabelled.data.media.files import find_list
from unlabelled.data.media.index import ClipIndex, EmptyIndexError, Entry, Requirements, index_entries
from unlabelled.data.media.paired_reader import PairedReader
from unlabelled.data.media.probe import MISSING

_LISTS = {
    "train": ["Flickr_train_144k.txt", "flickr_144k.csv", "flickr_10k.txt"],
    "test": ["test_list.txt", "flickr_test.csv"],
}
NO_LABEL = -1
IN_TEST_LIST = "in the test list"
NO_IMAGE = "without an image"
NO_ANNOTATION = "without an annotation"
DAMAGED_ANNOTATION = "damaged annotation"


class _Selection(NamedTuple):
    """Usable videos of a list, their images by path, and the reason for each video left out."""

    entries: list[Entry]
    images: dict[str, list[str]]
    left_out: dict[str, str]


class FlickrSoundNet(ClipDataModule):
    """Videos from Flickr, or their frames and audio; 250 test videos have boxes of three annotators.

    Files are identified by the number of the video and may lie in any folder below ``root``:

    - audio ``<id>.wav`` (also ``.mp3``, ``<id>.mp4.mp3``, ...);
    - images ``<id>.jpg`` (``Data/<digit>/`` of the annotated release, ``frames/`` of its copies), or a folder
      ``<id>.mp4/`` of frames in the order of their numbers, one every ``frame_seconds`` (release of
      SoundNet);
    - or videos ``<id>.mp4`` with both modalities;
    - annotations ``<id>.xml``, see :func:`~datamodules.flickr_files.read_boxes`.

    A list has one video per line, from which the number is read: ``<id>.wav``, ``<id>.png``,
    ``<id>,<number>``, ``/any/<id>.mp4`` or the path of a frame. ``val`` is ``test``; its videos are left out
    of ``train``. There are no labels (-1).

    Args:
        root: Folder of the data set.
        train_list: List of ``train``, relative to ``root``; ``null``: ``Flickr_train_144k.txt``,
            ``flickr_144k.csv`` or ``flickr_10k.txt``, in ``root`` or ``root/metadata``.
        test_list: List of ``val`` and ``test``; ``null``: ``test_list.txt`` or ``flickr_test.csv``.
        frame_seconds: Seconds between the frames of a folder.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.

    Attributes:
        box_agreement: Number of annotators, of three, whose agreement gives a pixel the value 1.

    Raises:
        FileNotFoundError: A list is missing.
        EmptyIndexError: A split has no usable video.

    Source: github.com/ardasnck/learning_to_localize_sound_source; soundnet.csail.mit.edu;
        docs/methods/dmc.md#sound-localisation.
    """

    published = True
    box_agreement = 2.0

    def __init__(
        self,
        root: str,
        train_list: str | None = None,
        test_list: str | None = None,
        frame_seconds: float = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, **kwargs)
        self.lists = {"train": train_list, "test": test_list}
        self.frame_seconds = frame_seconds
        self._images: dict[str, dict[str, list[str]]] = {}

    @property
    def class_names(self) -> list[str]:
        """Empty: there are no labels."""
        return []

    def listing(self, split: str) -> list[Entry]:
        """Return the usable videos of a split."""
        return self._select(split).entries

    def find(self, split: str) -> ClipIndex:
        """Check the audio or video files of a split; other missing files are added to the index."""
        selection, pipeline = self._select(split), self.active_pipeline
        needs = Requirements(
            pipeline.needs_video and not selection.images, pipeline.needs_audio, pipeline.seconds
        )
        paths = [entry.path for entry in selection.entries]
        warn_of_lists("FlickrSoundNet", split, paths, self._files.repeated)
        index = index_entries(
            self.root, split, selection.entries, needs, self.index_workers, progress=self._rank()[0] == 0
        )
        listed = len(selection.entries) + len(selection.left_out)
        index = replace(index, left_out={**selection.left_out, **index.left_out}, listed=listed)
        if not index.entries:
            raise EmptyIndexError(f"FlickrSoundNet: no usable video in root={self.root!r}: {index.summary()}")
        self._images[split] = selection.images
        return index

    def dataset(self, split: str, train: bool) -> ClipDataset:
        """Return the videos of a split."""
        index = self._indices[split]
        images = {
            f"{index.root}/{path}": [f"{index.root}/{file}" for file in files]
            for path, files in self._images[split].items()
        }
        reader = PairedReader(self.reader, images, self.frame_seconds)
        return ClipDataset(index, reader, self.active_pipeline, train)

    def boxes(self, split: str, row: int, second: float) -> Tensor:
        """Return the boxes of a video's annotators ``(boxes, 4)``: x0, y0, x1, y1 as fractions of the frame.

        Args:
            split: ``val`` or ``test``; a training video may have an annotation too.
            row: Row of the split.
            second: Second of the frame; unused, as there are annotations of one frame per video.

        Raises:
            ValueError: The video has no annotation, or a damaged one.
        """
        path = self._indices[split].entries[row].path
        annotation = self._files.annotations.get(video_number(path))
        if annotation is None:
            raise ValueError(f"FlickrSoundNet: {path} of {split} has no annotation in root={self.root!r}")
        return read_boxes(Path(self.root, annotation))

    def _select(self, split: str) -> _Selection:
        selection = _Selection([], {}, {})
        test_numbers = set(self._numbers("test"))
        for number in self._numbers("train" if split == "train" else "test"):
            video = self._files.video(number)
            path = video.path or f"{number}.wav"
            reason = self._reason(split, number, test_numbers)
            if reason is not None:
                selection.left_out[path] = reason
                continue
            selection.entries.append(Entry(path, NO_LABEL))
            if video.images:
                selection.images[path] = video.images
        return selection

    def _reason(self, split: str, number: str, test_numbers: set[str]) -> str | None:
        """Return the reason why a video of the list is unusable, from file names and annotations, or None."""
        video = self._files.video(number)
        if video.path is None:
            return MISSING
        if self.active_pipeline.needs_video and not video.has_images:
            return NO_IMAGE
        if split == "train":
            return IN_TEST_LIST if number in test_numbers else None
        if number not in self._files.annotations:
            return NO_ANNOTATION
        try:
            read_boxes(Path(self.root, self._files.annotations[number]))
        except ValueError as error:
            rank_zero_warn(str(error))
            return DAMAGED_ANNOTATION
        return None

    def _numbers(self, official: str) -> list[str]:
        names = [f"{folder}{name}" for name in _LISTS[official] for folder in ("", "metadata/")]
        return list(read_numbers(find_list(self.root, names, self.lists[official], "FlickrSoundNet")))

    @cached_property
    def _files(self) -> FlickrFiles:
        return scan_flickr(self.root, self.allow_outside)
