"""Chosen rows of a data set, for checks of a few samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lightning import LightningModule
from torch.utils.data import DataLoader

from unlabelled.batch import Batch
from unlabelled.data.datasets.clips import SampleKey
from unlabelled.distributed import rank, world_size
from unlabelled.seeding import global_seed, numpy_generator


def choose_rows(num_rows: int, count: int, purpose: str) -> list[int]:
    """Return at most ``count`` of the rows of a data set in order, chosen by the seed of the run."""
    if num_rows <= count:
        return list(range(num_rows))
    generator = numpy_generator(global_seed(), "learning checks", purpose, num_rows)
    return sorted(generator.choice(num_rows, count, replace=False).tolist())


def loader_of(loader: DataLoader[Any], batches: Sequence[Sequence[SampleKey]]) -> DataLoader[Any]:
    """Return a loader of the same data set with other batches."""
    return DataLoader(
        loader.dataset,
        batch_sampler=batches,  # type: ignore[arg-type]
        num_workers=min(loader.num_workers, 1),
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context if loader.num_workers else None,
    )


def chunks_of(loader: DataLoader[Any], keys: Sequence[SampleKey]) -> list[list[SampleKey]]:
    """Return the batches of this rank."""
    own, size = keys[rank() :: world_size()], loader.batch_size or 1
    return [list(own[start : start + size]) for start in range(0, len(own), size)]


def view_of(module: LightningModule, batch: Batch, copy: int) -> Batch:
    """Return a view of each sample as a batch without views."""
    if "views" not in batch:
        return batch
    views = batch["views"]
    view = views[min(copy, len(views) - 1)]
    if isinstance(view, list):  # several directions of each shift
        view = view[0]
    if isinstance(view, dict):
        return {**batch, **view}
    return {**batch, next(iter(_encoders(module))): view}


def _encoders(module: LightningModule) -> Iterator[str]:
    encoders: Any = module.encoders
    return iter(encoders)
