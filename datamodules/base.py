"""What all data modules share: stages, loaders, ranks. A subclass says what the samples are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from datamodules.resume import rows_done
from unlabelled.batch import Batch
from unlabelled.data.datasets.samples import (
    DrawnShard,
    OrderedShard,
    SampleDataset,
    SampleIndex,
    ShuffledShard,
)
from unlabelled.pipelines.base import SamplePipeline

STAGE_SPLITS = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}

Loaders = DataLoader[Any] | list[DataLoader[Any]]

IndexT = TypeVar("IndexT", bound=SampleIndex)
PipelineT = TypeVar("PipelineT", bound=SamplePipeline)


class SampleDataModule(LightningDataModule, Generic[IndexT, PipelineT]):
    """Samples with a train, a val and a test split; labels are for evaluation only.

    A subclass says which samples a split has (:meth:`find`), how they are read (:meth:`dataset`), what their
    files are (:meth:`clip_paths`) and how the classes are called (:attr:`class_names`).

    Args:
        root: Folder of the data set.
        pipeline: Makes tensors of a sample.
        test_pipeline: Makes those of ``test`` and ``predict``, the bank's then too; ``null``: ``pipeline`` does.
        batch_size: Samples per rank and step in training.
        eval_batch_size: Samples per rank and step in evaluation and in passes; ``null``: twice as many.
        num_workers: Processes that read and augment.

    Attributes:
        bank_split: The split with the labelled training rows.
    """

    bank_split = "train"

    def __init__(
        self,
        root: str,
        pipeline: PipelineT,
        test_pipeline: PipelineT | None = None,
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
    ) -> None:
        super().__init__()
        self.root = root
        self.pipeline: PipelineT = pipeline
        self.test_pipeline: PipelineT | None = test_pipeline
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size or 2 * batch_size
        self.num_workers = num_workers
        self._stage = "fit"
        self._indices: dict[str, IndexT] = {}
        self._pass_loaders: dict[type[OrderedShard], DataLoader[Any]] = {}

    @abstractmethod
    def find(self, split: str) -> IndexT:
        """Return the usable samples of ``train``, ``val``, ``test`` or :attr:`bank_split`."""

    @abstractmethod
    def dataset(self, split: str, train: bool) -> SampleDataset:
        """Return the samples of a split, as :attr:`active_pipeline` shows them."""

    @abstractmethod
    def clip_paths(self, split: str) -> Sequence[str]:
        """Return the file of each row of a split, or another name for it."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Names by label."""

    @property
    def active_pipeline(self) -> PipelineT:
        """The pipeline of the present stage."""
        if self._stage in ("test", "predict") and self.test_pipeline is not None:
            return self.test_pipeline
        return self.pipeline

    def prepare_data(self) -> None:
        """Look for the folder, in one process per node."""
        self._enter(self._trainer_stage())
        self.check_root()

    def setup(self, stage: str) -> None:
        """Find out which samples of the stage's splits can be used."""
        self._enter(stage)
        for split in STAGE_SPLITS[stage]:
            self._index(split)

    def check_root(self) -> None:
        """Look for the folder of the data set.

        Raises:
            FileNotFoundError: ``root`` does not exist.
        """
        if not Path(self.root).is_dir():
            raise FileNotFoundError(
                f"{type(self).__name__}: root={self.root!r} is not a folder; set --data.init_args.root to "
                "the folder of the data set"
            )

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Do the pipeline's share of the work that is done on batches, where they are trained on."""
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
        """Return shuffled, augmented batches of equal size."""
        data = self.dataset("train", train=True)
        rank, world_size = self._rank()
        sampler = ShuffledShard(len(data), rank, world_size, self.batch_size)
        if sampler.num_batches == 0:
            raise ValueError(
                f"{type(self).__name__}: {len(data)} training samples on {world_size} process(es) do not "
                f"fill one batch of batch_size={self.batch_size}; lower --data.init_args.batch_size"
            )
        sampler.skip = rows_done(self.trainer, sampler)
        return self._loader(data, sampler, self.batch_size, drop_last=True, persistent=True)

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Return the augmented training samples, each exactly once over all ranks.

        Args:
            epoch: Names the random augmentation; another number, another augmentation.
        """
        return self._pass(OrderedShard, epoch)

    def shuffled_pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Return the same in a random order, which ``epoch`` names too."""
        return self._pass(DrawnShard, epoch)

    def _pass(self, shard: type[OrderedShard], epoch: int) -> DataLoader[Any]:
        if shard not in self._pass_loaders:  # kept, with its workers: there may be a pass at every step
            data = self.dataset("train", train=True)
            sampler = shard(len(data), *self._rank())
            self._pass_loaders[shard] = self._loader(data, sampler, self.eval_batch_size, persistent=True)
        loader = self._pass_loaders[shard]
        assert isinstance(loader.sampler, OrderedShard)
        loader.sampler.pass_epoch = epoch
        return loader

    def fixed_pass_dataloader(self) -> DataLoader[Any]:
        """Return the fixed views of the training samples, each exactly once over all ranks."""
        return self._eval_loader("train")

    def bank_dataloader(self) -> DataLoader[Any]:
        """Return the fixed views of the labelled training samples, each exactly once over all ranks.

        To be called on all ranks: where the stage did not look for them, they are looked for now.
        """
        self._index_in_turn(self.bank_split)
        return self._eval_loader(self.bank_split)

    def val_dataloader(self) -> Loaders:
        """Return the fixed views of the validation samples, each exactly once over all ranks."""
        return self._eval_loader("val")

    def test_dataloader(self) -> Loaders:
        """Return the fixed views of the test samples, each exactly once over all ranks."""
        return self._eval_loader("test")

    def predict_dataloader(self) -> Loaders:
        """Return the fixed views of the test samples, each exactly once over all ranks."""
        return self._eval_loader("test")

    def _enter(self, stage: str) -> None:
        before, self._stage = self.active_pipeline, stage
        if self.active_pipeline is not before:  # what can be used depends on how it is to be viewed
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

    def _index_in_turn(self, split: str) -> None:
        """Let one process per node check the files; the others will find the verdicts on disk."""
        if split in self._indices:
            return
        if self.trainer is None or self.trainer.local_rank == 0:
            self._index(split)
        if self.trainer is not None:
            self.trainer.strategy.barrier("bank")
        self._index(split)

    def _eval_loader(self, split: str) -> DataLoader[Any]:
        return self._ordered_loader(self.dataset(split, train=False), split)

    def _ordered_loader(self, data: SampleDataset, name: str) -> DataLoader[Any]:
        if len(data) < self._rank()[1]:
            raise ValueError(
                f"{type(self).__name__}: the {len(data)} {name} samples are fewer than the "
                f"{self._rank()[1]} processes; evaluate with fewer (--trainer.devices, --trainer.num_nodes)"
            )
        return self._loader(data, OrderedShard(len(data), *self._rank()), self.eval_batch_size)

    def _rank(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

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
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            persistent_workers=persistent and self.num_workers > 0,
        )
