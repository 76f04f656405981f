"""Any folder of own videos, or of own audio files."""

from __future__ import annotations

from typing import Any, Literal

from lightning.pytorch.utilities import rank_zero_info

from datamodules.base import PredictSplit
from datamodules.clips import ClipDataModule
from datamodules.own_files import OwnFiles
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.lists import Labels, Shares
from unlabelled.data.media.cached_reader import CachedReader
from unlabelled.data.media.files import AUDIO_SUFFIXES, MEDIA_SUFFIXES
from unlabelled.data.media.index import ClipIndex, EmptyIndexError, Entry
from unlabelled.data.media.probe import DURATION_SLACK
from unlabelled.data.media.segments import Segments, cut_index
from unlabelled.modalities import UnfitDataError
from unlabelled.pipelines.base import keep_missing_audio


class OwnClips(ClipDataModule):
    """Clips of any folder of media files: at any depth, of any container, size, rate and length.

    Classes and splits are found as :func:`unlabelled.data.lists.list_files` describes: columns of ``table``,
    folders, or no classes and shares of the files. All clips of a file are in one split. Without labels
    nothing about labels is computed or logged.

    Args:
        root: The folder.
        table: CSV, TSV or JSON lines with a column ``path`` and any of ``label``, ``start``, ``end``,
            ``split``, ``caption``; relative to ``root``; ``null``: all files of the folder.
        labels: ``auto``, ``folders`` (that each file lies in) or ``none``.
        val_share: Share of the files that are held out; 0: none, and ``val`` is ``train``.
        test_share: Share of the files of ``test``; 0: those of ``val``.
        split_seed: Seed of the shares, apart from the run's.
        segment_seconds: Divide each file, or span of it, into clips of this duration; ``null``: one clip.
            Whole files are then not decoded at once, whatever the reader is.
        stride_seconds: Seconds from the start of one to that of the next; ``null``: ``segment_seconds``.
        min_seconds: Smallest duration of a clip. One that is shorter than what the pipeline reads is padded
            with silence and repeated frames; ``null``: that of the pipeline.
        predict_split: Split of ``predict``; ``all``: each clip of the folder once.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.

    Raises:
        FileNotFoundError: ``root`` or ``table`` does not exist.
        ValueError: A row of the table is wrong, there is no file, or too few to hold one out.
        EmptyIndexError: No clip of a split is usable.
    """

    def __init__(
        self,
        root: str,
        table: str | None = None,
        labels: Labels = "auto",
        val_share: float = 0.2,
        test_share: float = 0.0,
        split_seed: int = 0,
        segment_seconds: float | None = None,
        stride_seconds: float | None = None,
        min_seconds: float | None = 0.1,
        predict_split: PredictSplit = "all",
        **kwargs: Any,
    ) -> None:
        super().__init__(root, predict_split=predict_split, **kwargs)
        name, shares = type(self).__name__, Shares(val_share, test_share, split_seed)
        self.own = OwnFiles(name, self.root, self.suffixes, table, labels, shares, self.allow_outside)
        if segment_seconds is None and stride_seconds is not None:
            raise ValueError(f"{name}: stride_seconds={stride_seconds} requires segment_seconds")
        self.segments = None if segment_seconds is None else Segments(segment_seconds, stride_seconds)
        if self.segments is not None and isinstance(self.reader, CachedReader):
            rank_zero_info(f"{name}: files that are divided are read without decoded copies of whole files")
            self.reader = self.reader.reader
        self.min_seconds = min_seconds

    @property
    def class_names(self) -> list[str]:
        """The classes in alphabetical order; empty: there are no labels."""
        return self.own.class_names

    def listing(self, split: str) -> list[Entry]:
        """Return the files, or spans of files, of a split."""
        return [Entry(each.path, self.own.label(each), each.start, each.end) for each in self.own[split]]

    def compare(self, train: str) -> None:
        """Compare the splits, if a file is held out."""
        self.own.compare(self, train)

    def shortest(self) -> float:
        """Return ``min_seconds``, or the smallest duration that the pipeline reads."""
        return self.active_pipeline.seconds if self.min_seconds is None else self.min_seconds

    def find(self, split: str) -> ClipIndex:
        """Check the files of a split, and divide them into their clips."""
        name, needed = type(self).__name__, self.active_pipeline.seconds
        try:
            found = super().find(split)
        except EmptyIndexError as error:
            if split == "train" or not self.own.listed.by_share:
                raise
            raise EmptyIndexError(
                f"{error}; other files are held out with --data.init_args.val_share or split_seed",
                error.holds,
            ) from error
        index = cut_index(found, self.segments, self.shortest())
        if not index.entries:
            raise EmptyIndexError(f"{name}: no clip of root={self.root!r} is usable: {index.summary()}")
        if short := int((index.durations < needed - DURATION_SLACK).sum()):
            rank_zero_info(
                f"{name}, {split}: {short} clips are shorter than the {needed:g} s that the pipeline reads; "
                "they are padded"
            )
        return index

    def clip_names(self, split: str) -> list[ClipName]:
        """Return the file, the times, the class and the caption of each row of a split."""
        captions = {each.path: list[tuple[float, str]]() for each in self.own[split]}
        for each in self.own[split]:
            captions[each.path].append((each.start, each.caption))
        return [
            name._replace(caption=_caption_at(captions[entry.path], entry.start))
            for name, entry in zip(super().clip_names(split), self._indices[split].entries, strict=True)
        ]


def _caption_at(captions: list[tuple[float, str]], start: float) -> str:
    """Return the caption of the last span that has begun at second ``start``."""
    return max((each for each in captions if each[0] <= start), default=(0.0, ""))[1]


class Videos(OwnClips):
    """Any folder of videos, without labels or with them.

    Args:
        root: The folder.
        missing_audio: ``keep``: clips without an audio track are read as silent, by an
            :class:`~unlabelled.pipelines.AudioVisualPipeline`. ``leave_out``: they are left out and logged.
        **kwargs: See :class:`~datamodules.own_clips.OwnClips`.

    Raises:
        UnfitDataError: The pipeline reads audio, and no file has an audio track.
    """

    def __init__(
        self, root: str, missing_audio: Literal["keep", "leave_out"] = "keep", **kwargs: Any
    ) -> None:
        super().__init__(root, **kwargs)
        if missing_audio not in ("keep", "leave_out"):
            raise ValueError(f"Videos: missing_audio={missing_audio!r} is neither keep nor leave_out")
        for pipeline in (self.pipeline, self.test_pipeline):
            if missing_audio == "keep":
                keep_missing_audio(pipeline)

    def find(self, split: str) -> ClipIndex:
        """Check the files of a split, and divide them into their clips."""
        index = super().find(split)
        if split == "train" and all(path in index.without_audio for path in index.entries.paths):
            raise UnfitDataError(
                f"Videos: none of the {index.entries.num_files} usable training files in "
                f"root={self.root!r} has an audio track, from which this configuration learns",
                ["video"],
            )
        return index


class Sounds(OwnClips):
    """Any folder of audio files, without labels or with them; of videos, the audio tracks are read.

    The pipeline must not need video; use :class:`~unlabelled.pipelines.AudioPipeline`.

    Args:
        root: The folder.
        **kwargs: See :class:`~datamodules.own_clips.OwnClips`.
    """

    holds = ("audio",)
    suffixes = (*AUDIO_SUFFIXES, *MEDIA_SUFFIXES)

    def __init__(self, root: str, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)
