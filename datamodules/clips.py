"""Base class of data modules of clips on disk, whose files are checked."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from datamodules.base import PredictSplit, SampleDataModule, StartMethod
from datamodules.splits import warn_of_lists
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.clips import ClipDataset
from unlabelled.data.inside import check_paths
from unlabelled.data.media.decord_reader import BackendReader
from unlabelled.data.media.files import MEDIA_SUFFIXES, StemTable
from unlabelled.data.media.index import ClipIndex, Entry, Requirements, build_index, index_entries
from unlabelled.data.media.mapped_index import MappedIndex, map_index, share_index
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import Reader
from unlabelled.data.media.shards import packed_root
from unlabelled.pipelines import AudioVisualPipeline, ClipPipeline

log = logging.getLogger(__name__)


class ClipDataModule(SampleDataModule[ClipIndex, ClipPipeline]):
    """Clips on disk with a train, a val and a test split.

    A subclass lists the files of a split (:meth:`listing`) and the names of the classes
    (:attr:`class_names`); labels are for evaluation only. Unusable files are left out before training and
    logged; see :mod:`unlabelled.data.media.index`.

    Args:
        root: Folder of the data set.
        pipeline: Makes tensors of a clip; ``null``: SeLaVi's (30 frames at 112x112, log-mel 257x199).
        reader: Decodes files; ``null``: :class:`~unlabelled.data.media.PyAVReader`.
        batch_size: Clips per rank and step in training.
        eval_batch_size: Clips per rank and step in evaluation and clustering passes; ``null``: twice as many.
        num_workers: Number of processes that read and augment.
        index_workers: Number of processes that check the files before the first run; ``null``: one per core.
        test_pipeline: Makes tensors in ``test`` and ``predict``, also of the bank; ``null``: ``pipeline``.
        predict_split: See :class:`~datamodules.base.SampleDataModule`.
        allow_outside: Read files that lie outside of ``root`` by a link, or by the table of own files.
        multiprocessing_context: See :class:`~datamodules.base.SampleDataModule`.
        shards: Packed folder, or its URL, that is read in place of ``root`` (docs/own_data.md#shards).

    Attributes:
        suffixes: Endings of the files that :meth:`locate` finds.

    Raises:
        FileNotFoundError: ``root`` does not exist.
        OutsideRootError: A link leads out of ``root``, or a path of a list does.
        SharedFileError: A file of an own data set is in a training and in a held-out split.
    """

    holds: ClassVar[tuple[str, ...]] = ("video", "audio")
    suffixes: ClassVar[tuple[str, ...]] = MEDIA_SUFFIXES

    def __init__(
        self,
        root: str,
        pipeline: ClipPipeline | None = None,
        reader: Reader | None = None,
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
        index_workers: int | None = None,
        test_pipeline: ClipPipeline | None = None,
        predict_split: PredictSplit = "test",
        allow_outside: bool = False,
        multiprocessing_context: StartMethod | None = None,
        shards: str | None = None,
    ) -> None:
        pipeline = pipeline if pipeline is not None else AudioVisualPipeline()
        super().__init__(
            packed_root(root, shards),
            pipeline,
            test_pipeline,
            batch_size,
            eval_batch_size,
            num_workers,
            predict_split,
            allow_outside,
            multiprocessing_context,
        )
        self.reader: Reader = reader if reader is not None else PyAVReader()
        self.index_workers = index_workers
        self._stems: StemTable | None = None

    @abstractmethod
    def listing(self, split: str) -> list[Entry]:
        """Return all clips listed for ``train``, ``val`` or ``test``, present on disk or not."""

    def locate(self, names: Sequence[str], default: str) -> str:
        """Return the path of the first of several stems that is on disk; see :meth:`StemTable.locate`."""
        if self._stems is None:
            self._stems = StemTable(self.root, self.suffixes, self.allow_outside)
        return self._stems.locate(names, default)

    def shortest(self) -> float:
        """Return the smallest duration of a usable file in seconds: that of the pipeline."""
        return self.active_pipeline.seconds

    def listed(self, split: str) -> Sequence[str]:
        """Return the path of each listed clip."""
        return [f"{self.root}/{entry.path}" for entry in self.listing(split)]

    def prepare_data(self) -> None:
        """Check the files, in one process per node; the others read the results from disk."""
        super().prepare_data()
        for split in self.stage_splits(self._stage):
            self._index(split)

    def find(self, split: str) -> ClipIndex:
        """Check the files of a split, or read the results of the last check."""
        pipeline = self.active_pipeline
        requirements = Requirements(pipeline.needs_video, pipeline.needs_audio, self.shortest())
        entries, workers, progress = self.listing(split), self.index_workers, self._rank()[0] == 0
        if not self.allow_outside:
            found = self._stems if self._stems is not None else ()  # those have been checked
            paths = [entry.path for entry in entries if entry.path not in found]
            check_paths(self.root, paths, f"{type(self).__name__}, {split}")
        repeated = self._stems.repeated if self._stems is not None else {}
        whole = [entry.path for entry in entries if not entry.is_span]
        warn_of_lists(type(self).__name__, split, whole, repeated)
        backend = self.reader.backend if isinstance(self.reader, BackendReader) and requirements.video else ""
        index = build_index(self.root, split, entries, requirements, workers, progress, backend)
        self._trust(index)
        if not pipeline.allow_missing_audio:
            return index
        audio = Requirements(video=False, audio=True)
        with_audio = index_entries(self.root, split, index.entries, audio, workers, progress)
        return replace(index, without_audio=with_audio.left_out)

    def _trust(self, index: ClipIndex) -> None:
        if isinstance(self.reader, BackendReader):
            self.reader.trust(index.proved)

    def _index(self, split: str) -> ClipIndex:
        """Find the clips of a split; those that several processes read are mapped from one file."""
        known = split in self._indices
        index = super()._index(split)
        forks = self.num_workers == 0 or self.multiprocessing_context in (None, "fork")
        if not known and (self._rank()[1] > 1 or not forks):
            index = self._indices[split] = share_index(index)
        return index

    def _shared_index(self, split: str) -> ClipIndex:
        """Map the clips of a split from the file of the rank that has found them."""
        rank, world_size = self._rank()
        if world_size > 1:
            assert self.trainer is not None
            found = self._index(split) if rank == 0 else None
            name = os.path.basename(found.file) if isinstance(found, MappedIndex) else ""
            name = self.trainer.strategy.broadcast(name)
            if name and split not in self._indices:
                self._map(split, name)
        return self._index(split)

    def _map(self, split: str, name: str) -> None:
        try:
            index = map_index(self.root, name)
        except (OSError, ValueError) as error:  # on a machine without a common disk, its first rank has it
            log.info("%s: rank %d lists its files: %s", type(self).__name__, self._rank()[0], error)
            return
        self._trust(index)
        self._indices[split] = index

    def dataset(self, split: str, train: bool) -> ClipDataset:
        """Return the clips of a split."""
        return ClipDataset(self._indices[split], self.reader, self.active_pipeline, train)

    def clip_paths(self, split: str) -> list[str]:
        """Return the file of each row of a split."""
        index = self._indices[split]
        return [f"{index.root}/{index.entries.path(row)}" for row in range(len(index))]

    def clip_names(self, split: str) -> list[ClipName]:
        """Return the file, the times and the class of each row of a split."""
        index, names = self._indices[split], self.class_names
        return [
            ClipName(
                f"{index.root}/{entry.path}",
                split,
                entry.start,
                round(entry.start + duration, 6),
                names[entry.label] if 0 <= entry.label < len(names) else "",
                is_part=entry.is_span,
            )
            for entry, duration in zip(index.entries, index.durations.tolist(), strict=True)
        ]
