"""Base class of all data modules: stages, data loaders and ranks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from datamodules.modalities import check_modalities
from datamodules.splits import compare_splits
from unlabelled.batch import Batch
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.datasets.joined import JoinedDataset
from unlabelled.data.datasets.samples import (
    DrawnShard,
    OrderedShard,
    SampleDataset,
    SampleIndex,
    ShuffledShard,
)
from unlabelled.pipelines.base import SamplePipeline
from unlabelled.stop_signals import STOP

StartMethod = Literal["fork", "spawn", "forkserver"]
PredictSplit = Literal["train", "val", "test", "all"]
_STAGE_SPLITS = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}
_ALL = ("train", "val", "test")

Loaders = DataLoader[Any] | list[DataLoader[Any]]

IndexT = TypeVar("IndexT", bound=SampleIndex)
PipelineT = TypeVar("PipelineT", bound=SamplePipeline)


class SampleDataModule(LightningDataModule, Generic[IndexT, PipelineT]):
    """Samples with a train, a val and a test split; labels are for evaluation only.

    A subclass defines the samples of a split (:meth:`find`), their tensors (:meth:`dataset`), their files
    (:meth:`clip_paths`) and the names of the classes (:attr:`class_names`).

    Args:
        root: Folder of the data set.
        pipeline: Makes tensors of a sample.
        test_pipeline: Makes tensors in ``test`` and ``predict``, also of the bank; ``null``: ``pipeline``.
        batch_size: Samples per rank and step in training.
        eval_batch_size: Samples per rank and step in evaluation and in passes; ``null``: twice as many.
        num_workers: Number of processes that read and augment.
        predict_split: Split of ``predict``; ``all``: each sample of the three splits once.
        allow_outside: Read files that lie outside of ``root`` by a link; see :mod:`unlabelled.data.inside`.
        multiprocessing_context: How these processes are started: ``fork``, ``spawn`` or ``forkserver``;
            ``null``: as is usual on the platform. Samples and their order do not depend on it.

    Raises:
        ValueError: ``predict_split`` is unknown.

    Attributes:
        bank_split: Split of the labelled training samples.
        holds: What samples are made of, for messages: ``video`` and ``audio``, ``images``, ``features``.
    """

    bank_split = "train"
    holds: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        root: str,
        pipeline: PipelineT,
        test_pipeline: PipelineT | None = None,
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
        predict_split: PredictSplit = "test",
        allow_outside: bool = False,
        multiprocessing_context: StartMethod | None = None,
    ) -> None:
        super().__init__()
        if predict_split not in (*_ALL, "all"):
            raise ValueError(
                f"{type(self).__name__}: predict_split={predict_split!r} is not train, val, test or all"
            )
        self.predict_split: PredictSplit = predict_split
        self.root = root
        self.pipeline: PipelineT = pipeline
        self.test_pipeline: PipelineT | None = test_pipeline
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size or 2 * batch_size
        self.num_workers = num_workers
        self.allow_outside = allow_outside
        self.multiprocessing_context: StartMethod | None = multiprocessing_context
        self._stage = "fit"
        self._indices: dict[str, IndexT] = {}
        self._pass_loaders: dict[type[OrderedShard], DataLoader[Any]] = {}

    @abstractmethod
    def find(self, split: str) -> IndexT:
        """Return the usable samples of ``train``, ``val``, ``test`` or :attr:`bank_split`."""

    @abstractmethod
    def dataset(self, split: str, train: bool) -> SampleDataset:
        """Return the samples of a split, augmented at random for ``train``, otherwise as in evaluation."""

    @abstractmethod
    def clip_paths(self, split: str) -> Sequence[str]:
        """Return the file of each row of a split, or another name for it."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Names of the classes by label."""

    @property
    def collate(self) -> Callable[[list[Any]], Any] | None:
        """A function that makes a batch of samples; None: as torch does."""
        return None

    @property
    def published(self) -> bool:
        """True if the lists are those of a published data set; see :func:`.splits.compare_splits`."""
        return False

    def listed(self, split: str) -> Sequence[str]:
        """Return a path or name for each listed sample, on disk or not; by default of splits found so far."""
        return self.clip_paths(split) if split in self._indices else ()

    def videos(self, split: str) -> Sequence[str]:
        """Return the videos that the samples of a split are parts of; by default none are known."""
        return ()

    @property
    def active_pipeline(self) -> PipelineT:
        """The pipeline of the current stage."""
        if self._stage in ("test", "predict") and self.test_pipeline is not None:
            return self.test_pipeline
        return self.pipeline

    def prepare_data(self) -> None:
        """Check that the folder exists, in one process per node."""
        self._enter(self._trainer_stage())
        self.check_root()

    def setup(self, stage: str) -> None:
        """Find the usable samples of the splits of a stage.

        Raises:
            UnfitDataError: The samples lack a modality that the method learns from.
        """
        self._enter(stage)
        for split in self.stage_splits(stage):
            self._shared_index(split)
        if self.trainer is not None:
            check_modalities(self, self.dataset(self.stage_splits(stage)[0], train=False))
        if stage == "fit":
            self._compare_once("train")

    def stage_splits(self, stage: str) -> tuple[str, ...]:
        """Return the splits that a stage reads."""
        if stage == "predict":
            return _ALL if self.predict_split == "all" else (self.predict_split,)
        return _STAGE_SPLITS[stage]

    def compare(self, train: str) -> None:
        """Compare the samples to train on with the held-out ones; see :func:`.splits.compare_splits`."""
        compare_splits(self, train)

    def clip_names(self, split: str) -> Sequence[ClipName]:
        """Return the file of each row of a split, and what else is known of it."""
        return [ClipName(path, split) for path in self.clip_paths(split)]

    def predicted_splits(self) -> list[str]:
        """Return the splits of ``predict`` in their order, of equal ones only the first."""
        splits: dict[str, str] = {}
        for split in self.stage_splits("predict"):
            splits.setdefault(self._index(split).fingerprint, split)
        return list(splits.values())

    def predicted_clips(self) -> list[ClipName]:
        """Return the name of each row of ``predict``."""
        return [name for split in self.predicted_splits() for name in self.clip_names(split)]

    def check_root(self) -> None:
        """Check that the folder of the data set exists.

        Raises:
            FileNotFoundError: ``root`` does not exist.
        """
        if not Path(self.root).is_dir():
            raise FileNotFoundError(
                f"{type(self).__name__}: root={self.root!r} is not a folder; set --data.init_args.root to "
                "the folder of the data set"
            )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Complete a batch on the training device; see :meth:`SamplePipeline.finish`."""
        return self.active_pipeline.finish(batch)

    @property
    def num_train_samples(self) -> int:
        """N: number of usable training samples."""
        return len(self._indices["train"])

    @property
    def train_fingerprint(self) -> str:
        """Hash of the list of usable training samples."""
        return self._indices["train"].fingerprint

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled, augmented batches of equal size, from where a resumed run stopped.

        Epoch and position are set here, not left to the trainer, which opens the loader before it sets the
        epoch: processes that read ahead would begin with the first epoch.
        """
        data = self.dataset("train", train=True)
        rank, world_size = self._rank()
        sampler = ShuffledShard(len(data), rank, world_size, self.batch_size)
        if sampler.num_batches == 0:
            raise ValueError(
                f"{type(self).__name__}: {len(data)} training samples on {world_size} process(es) do not "
                f"fill one batch of batch_size={self.batch_size}; lower --data.init_args.batch_size"
            )
        sampler.set_epoch(self._epoch())
        sampler.skip = self._rows_done(sampler)
        return self._loader(data, sampler, self.batch_size, drop_last=True, persistent=True)

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Return the augmented training samples, each exactly once over all ranks.

        Args:
            epoch: Seed of the random augmentation.
        """
        return self._pass(OrderedShard, epoch)

    def shuffled_pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Return the samples of :meth:`pass_dataloader` in a random order, which depends on ``epoch`` too."""
        return self._pass(DrawnShard, epoch)

    def _pass(self, shard: type[OrderedShard], epoch: int) -> DataLoader[Any]:
        if shard not in self._pass_loaders:  # kept with its workers, as there may be a pass at every step
            data = self.dataset("train", train=True)
            sampler = shard(len(data), *self._rank())
            self._pass_loaders[shard] = self._loader(data, sampler, self.eval_batch_size, persistent=True)
        loader = self._pass_loaders[shard]
        assert isinstance(loader.sampler, OrderedShard)
        loader.sampler.pass_epoch = epoch
        return loader

    def fixed_pass_dataloader(self) -> DataLoader[Any]:
        """Return the training samples as in evaluation, each exactly once over all ranks."""
        return self._eval_loader("train")

    def bank_dataloader(self) -> DataLoader[Any]:
        """Return the labelled training samples as in evaluation, each exactly once over all ranks.

        It must be called on all ranks, since it finds the samples if the stage has not.
        """
        found = self.bank_split in self._indices
        if not found and self.trainer is not None:
            if self.trainer.local_rank == 0:  # checks the files; the others read its results from disk
                self._index(self.bank_split)
            self.trainer.strategy.barrier("bank")
        self._shared_index(self.bank_split)
        if not found:
            self._compare_once(self.bank_split)
        return self._eval_loader(self.bank_split)

    def val_dataloader(self) -> Loaders:
        """Return the validation samples, each exactly once over all ranks."""
        return self._eval_loader("val")

    def test_dataloader(self) -> Loaders:
        """Return the test samples, each exactly once over all ranks."""
        return self._eval_loader("test")

    def predict_dataloader(self) -> Loaders:
        """Return the samples of ``predict_split``, each exactly once over all ranks."""
        parts = [self.dataset(split, train=False) for split in self.predicted_splits()]
        data = parts[0] if len(parts) == 1 else JoinedDataset(parts)
        return self._eval_loader(self.predict_split, data)

    def _enter(self, stage: str) -> None:
        previous, self._stage = self.active_pipeline, stage
        if self.active_pipeline is not previous:  # the usable samples depend on the pipeline
            self._indices.clear()
            self._pass_loaders.clear()

    def _trainer_stage(self) -> str:
        assert self.trainer is not None
        assert self.trainer.state.fn is not None
        return self.trainer.state.fn.value

    def _index(self, split: str) -> IndexT:
        if split not in self._indices:
            self.check_root()
            self._indices[split] = self.find(split)
            rank_zero_info(self._indices[split].summary())
        return self._indices[split]

    def _shared_index(self, split: str) -> IndexT:
        """Return the samples of a split on all ranks, when the first one of each machine has found them."""
        return self._index(split)

    def _compare_once(self, train: str) -> None:
        """Compare the splits on the first rank, since the others need not list them; all raise its error."""
        error: ValueError | None = None
        rank, world_size = self._rank()
        if rank == 0:
            try:
                self.compare(train)
            except ValueError as found:
                error = found
        if world_size > 1:
            assert self.trainer is not None
            error = self.trainer.strategy.broadcast(error)
        if error is not None:
            raise error

    def _eval_loader(self, split: str, data: SampleDataset | None = None) -> DataLoader[Any]:
        """Return the loader of a split in order, or of other ``data`` with ``split`` as name for messages."""
        data = self.dataset(split, train=False) if data is None else data
        rank, world_size = self._rank()
        if len(data) < world_size:
            raise ValueError(
                f"{type(self).__name__}: the {len(data)} {split} samples are fewer than the "
                f"{world_size} processes; evaluate with fewer (--trainer.devices, --trainer.num_nodes)"
            )
        return self._loader(data, OrderedShard(len(data), rank, world_size), self.eval_batch_size)

    def _epoch(self) -> int:
        """Return the number of epochs that the run has completed."""
        if self.trainer is None:
            return 0
        progress: Any = self.trainer.fit_loop.epoch_progress.current
        return int(progress.processed)

    def _rows_done(self, sampler: ShuffledShard) -> int:
        """Return the number of rows of its first epoch that a resumed run has used on each rank.

        It is 0 for a new run and for a run resumed at the end of an epoch, which begins the next one.
        """
        trainer = self.trainer
        if trainer is None or not trainer.fit_loop.restarting:
            return 0
        limit = trainer.limit_train_batches
        batches = limit if isinstance(limit, int) else int(sampler.num_batches * limit)
        per_epoch = max(1, min(sampler.num_batches, batches))
        progress: Any = trainer.fit_loop.epoch_loop.batch_progress.current
        return int(progress.processed) % per_epoch * sampler.batch_size

    def _rank(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _loader(
        self,
        data: SampleDataset,
        sampler: ShuffledShard | OrderedShard,
        batch_size: int,
        drop_last: bool = False,
        persistent: bool = False,
    ) -> DataLoader[Any]:
        return DataLoader(
            data,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            drop_last=drop_last,
            collate_fn=self.collate,
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            persistent_workers=persistent and self.num_workers > 0,
            worker_init_fn=STOP.worker_init(),
            multiprocessing_context=self.multiprocessing_context if self.num_workers else None,
        )
