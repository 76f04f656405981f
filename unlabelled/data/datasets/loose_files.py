"""Files by their paths alone, without an index: each is read or has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset, default_collate

from unlabelled.batch import Batch
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.media.images import decode_image
from unlabelled.data.media.index import usable_cores
from unlabelled.data.media.probe import Probe
from unlabelled.data.media.probe_pool import probe_many
from unlabelled.data.media.reader import DecodeError, Reader
from unlabelled.data.media.segments import Segments
from unlabelled.data.media.span_reader import SpanReader
from unlabelled.pipelines.base import ClipPipeline, ImagePipeline
from unlabelled.seeding import numpy_generator

NOT_REPLACED = -1


class FileBatch(NamedTuple):
    """The files of a batch that could be read, and the reasons of the others by row.

    Attributes:
        batch: Tensors of the pipeline, with ``index (B,)``; None: no file could be read.
        unread: Reason by row.
    """

    batch: Batch | None
    unread: dict[int, str]


class LooseFiles(Dataset[tuple[int, dict[str, Any] | str]]):
    """Files as tensors of a pipeline, as in evaluation; a file that cannot be read gives its reason.

    Media files are probed in a process of their own first, so that a decoder that crashes costs one file.

    Args:
        paths: The files.
        pipeline: Makes tensors.
        reader: Decodes media files; images are read without it.
        segments: Division of media files into clips; None: each file is one clip.

    Attributes:
        clips: The file of each row, and its seconds if it is a part of the file.
    """

    def __init__(
        self,
        paths: Sequence[str],
        pipeline: ClipPipeline | ImagePipeline,
        reader: Reader | None,
        segments: Segments | None = None,
    ) -> None:
        self.pipeline, self.reader = pipeline, reader
        self.probes: dict[str, Probe] = {}
        if isinstance(pipeline, ClipPipeline):
            needs = pipeline.needs_video, pipeline.needs_audio, 0.0
            self.probes = dict(probe_many(dict.fromkeys(paths), *needs, usable_cores()))
        self.clips = [clip for path in paths for clip in self._clips_of(path, segments)]

    def _clips_of(self, path: str, segments: Segments | None) -> list[ClipName]:
        found = self.probes.get(path)
        if segments is None or found is None or found.reason is not None:
            return [ClipName(path, "")]
        spans = segments(found.start, found.start + found.duration)
        return [ClipName(path, "", start, end, is_part=True) for start, end in spans]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, row: int) -> tuple[int, dict[str, Any] | str]:
        """Return the row, and its tensors or the reason why the file cannot be read."""
        try:
            sample = self._load(self.clips[row])
        except DecodeError as error:
            return row, error.reason
        numbers = {"index": row, "label": -1, "replaced": NOT_REPLACED}
        return row, {**sample, **{name: torch.tensor(number) for name, number in numbers.items()}}

    def _load(self, clip: ClipName) -> dict[str, Any]:
        rng = numpy_generator(0, "file")  # evaluation draws no numbers
        if isinstance(self.pipeline, ImagePipeline):
            return self.pipeline.load(decode_image(clip.path), rng, train=False)
        found = self.probes[clip.path]
        if found.reason is not None:
            raise DecodeError(clip.path, found.reason)
        assert self.reader is not None
        begin, duration = found.start, found.duration
        if clip.end is not None:
            begin, duration = clip.start, clip.end - clip.start
        whole = begin == 0 and duration == found.duration
        reader = self.reader if whole else SpanReader(self.reader, begin, duration)
        return self.pipeline.load(reader, clip.path, duration, rng, train=False)


def collate_files(samples: list[tuple[int, dict[str, Any] | str]]) -> FileBatch:
    """Return the batch of the files that could be read, and the reasons of the others."""
    read = [sample for _, sample in samples if not isinstance(sample, str)]
    unread = {row: reason for row, reason in samples if isinstance(reason, str)}
    return FileBatch(default_collate(read) if read else None, unread)
