"""Files by their paths alone, without an index: each is read or has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import Dataset, default_collate

from unlabelled.batch import Batch
from unlabelled.data.media.images import decode_image
from unlabelled.data.media.index import usable_cores
from unlabelled.data.media.probe_pool import probe_many
from unlabelled.data.media.reader import DecodeError, Reader
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
    """

    def __init__(
        self, paths: Sequence[str], pipeline: ClipPipeline | ImagePipeline, reader: Reader | None
    ) -> None:
        self.paths, self.pipeline, self.reader = list(paths), pipeline, reader
        self.probes = {}
        if isinstance(pipeline, ClipPipeline):
            needs = pipeline.needs_video, pipeline.needs_audio, 0.0
            self.probes = dict(probe_many(dict.fromkeys(self.paths), *needs, usable_cores()))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[int, dict[str, Any] | str]:
        """Return the row, and its tensors or the reason why the file cannot be read."""
        try:
            sample = self._load(self.paths[row])
        except DecodeError as error:
            return row, error.reason
        numbers = {"index": row, "label": -1, "replaced": NOT_REPLACED}
        return row, {**sample, **{name: torch.tensor(number) for name, number in numbers.items()}}

    def _load(self, path: str) -> dict[str, Any]:
        rng = numpy_generator(0, "file")  # evaluation draws no numbers
        if isinstance(self.pipeline, ImagePipeline):
            return self.pipeline.load(decode_image(path), rng, train=False)
        found = self.probes[path]
        if found.reason is not None:
            raise DecodeError(path, found.reason)
        assert self.reader is not None
        reader = SpanReader(self.reader, found.start, found.duration) if found.start > 0 else self.reader
        return self.pipeline.load(reader, path, found.duration, rng, train=False)


def collate_files(samples: list[tuple[int, dict[str, Any] | str]]) -> FileBatch:
    """Return the batch of the files that could be read, and the reasons of the others."""
    read = [sample for _, sample in samples if not isinstance(sample, str)]
    unread = {row: reason for row, reason in samples if isinstance(reason, str)}
    return FileBatch(default_collate(read) if read else None, unread)
