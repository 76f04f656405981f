"""What all data modules of clips on disk share: index, loaders, ranks. A subclass lists files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from unlabelled.data.clips import ClipDataset, OrderedShard, ShuffledShard
from unlabelled.data.decord_reader import DecordReader
from unlabelled.data.index import ClipIndex, Entry, Requirements, build_index
from unlabelled.data.media import Reader
from unlabelled.transforms import AudioVisualView, ClipView

_STAGE_SPLITS = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}


class ClipDataModule(LightningDataModule):
    """Clips on disk with a train, a val and a test split.

    A subclass says which files a split has (:meth:`listing`) and how the classes are called
    (:attr:`class_names`); labels are for evaluation only. What cannot be used is left out before training
    and reported; see :mod:`unlabelled.data.index`.

    Args:
        root: Folder of the data set.
        view: Makes tensors of a clip; ``null``: SeLaVi's (30 frames at 112x112, log-mel 257x199).
        reader: Decodes files; ``null``: decord for pictures, PyAV for sound.
        batch_size: Clips per rank and step in training.
        eval_batch_size: Clips per rank and step in evaluation and clustering passes; ``null``: twice as many.
        num_workers: Processes that read and augment.
        index_workers: Processes that check the files before the first run; ``null``: one per core.

    Raises:
        FileNotFoundError: ``root`` does not exist.
    """

    def __init__(
        self,
        root: str,
        view: ClipView | None = None,
        reader: Reader | None = None,
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        num_workers: int = 2,
        index_workers: int | None = None,
    ) -> None:
        super().__init__()
        self.root = root
        self.view: ClipView = view if view is not None else AudioVisualView()
        self.reader: Reader = reader if reader is not None else DecordReader()
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size or 2 * batch_size
        self.num_workers, self.index_workers = num_workers, index_workers
        self._indices: dict[str, ClipIndex] = {}
        self._pass_loader: DataLoader[Any] | None = None

    @abstractmethod
    def listing(self, split: str) -> list[Entry]:
        """Return all clips that ``train``, ``val`` or ``test`` should have, present on disk or not."""

    @property
    @abstractmethod
    def class_names(self) -> Sequence[str]:
        """Names by label."""

    def prepare_data(self) -> None:
        """Check the files, in one process per node; the others will find the verdicts on disk."""
        assert self.trainer is not None
        assert self.trainer.state.fn is not None
        for split in _STAGE_SPLITS[self.trainer.state.fn]:
            self._index(split)

    def setup(self, stage: str) -> None:
        """Find out which clips of the stage's splits can be used."""
        for split in _STAGE_SPLITS[stage]:
            if split not in self._indices:
                self._indices[split] = self._index(split)
                rank_zero_info(self._indices[split].summary())

    def _index(self, split: str) -> ClipIndex:
        if not Path(self.root).is_dir():
            raise FileNotFoundError(
                f"{type(self).__name__}: root={self.root!r} is not a folder; set --data.init_args.root to "
                "the folder of the data set"
            )
        view = self.view
        requirements = Requirements(view.needs_video, view.needs_audio, view.seconds)
        entries = self.listing(split)
        rank = self.trainer.global_rank if self.trainer is not None else 0
        return build_index(
            self.root, split, entries, requirements, num_workers=self.index_workers, progress=rank == 0
        )

    @property
    def num_train_samples(self) -> int:
        """N: number of usable training clips."""
        return len(self._indices["train"])

    @property
    def train_fingerprint(self) -> str:
        """Hash of the list of usable training clips."""
        return self._indices["train"].fingerprint

    def clip_paths(self, split: str) -> list[str]:
        """Return the file of each row of a split."""
        index = self._indices[split]
        return [f"{index.root}/{entry.path}" for entry in index.entries]

    def train_dataloader(self) -> DataLoader[Any]:
        """Return shuffled, augmented batches of equal size."""
        data = self._dataset("train", train=True)
        rank, world_size = self._rank()
        sampler = ShuffledShard(len(data), rank, world_size)
        if len(sampler) < self.batch_size:
            raise ValueError(
                f"{type(self).__name__}: {len(data)} training clips on {world_size} process(es) do not fill "
                f"one batch of batch_size={self.batch_size}; lower --data.init_args.batch_size"
            )
        # A run resumed at the end of an epoch begins the next one at its start.
        sampler.skip = self._batches_done() % self._batches_per_epoch(sampler) * self.batch_size
        return self._loader(data, sampler, self.batch_size, drop_last=True, persistent=True)

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        """Return the augmented training clips, each exactly once over all ranks.

        Args:
            epoch: Names the random augmentation; another number, another augmentation.
        """
        if self._pass_loader is None:  # kept, with its workers: there may be a pass at every step
            data = self._dataset("train", train=True)
            sampler = OrderedShard(len(data), *self._rank())
            self._pass_loader = self._loader(data, sampler, self.eval_batch_size, persistent=True)
        shard = self._pass_loader.sampler
        assert isinstance(shard, OrderedShard)
        shard.pass_epoch = epoch
        return self._pass_loader

    def val_dataloader(self) -> DataLoader[Any]:
        """Return the fixed views of the validation clips, each exactly once over all ranks."""
        return self._eval_loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Return the fixed views of the test clips, each exactly once over all ranks."""
        return self._eval_loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Return the fixed views of the test clips, each exactly once over all ranks."""
        return self._eval_loader("test")

    def _eval_loader(self, split: str) -> DataLoader[Any]:
        data = self._dataset(split, train=False)
        if len(data) < self._rank()[1]:
            raise ValueError(
                f"{type(self).__name__}: the {len(data)} {split} clips are fewer than the {self._rank()[1]} "
                "processes; evaluate with fewer (--trainer.devices, --trainer.num_nodes)"
            )
        return self._loader(data, OrderedShard(len(data), *self._rank()), self.eval_batch_size)

    def _dataset(self, split: str, train: bool) -> ClipDataset:
        return ClipDataset(self._indices[split], self.reader, self.view, train)

    def _rank(self) -> tuple[int, int]:
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)

    def _batches_done(self) -> int:
        """Return how far into its first epoch a run resumed from a mid-epoch checkpoint is."""
        if self.trainer is None or not self.trainer.fit_loop.restarting:
            return 0
        return self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def _batches_per_epoch(self, sampler: ShuffledShard) -> int:
        full = len(sampler) // self.batch_size
        limit = self.trainer.limit_train_batches if self.trainer is not None else None
        if limit is None:
            return full
        return max(1, min(full, limit if isinstance(limit, int) else int(full * limit)))

    def _loader(
        self,
        data: ClipDataset,
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
