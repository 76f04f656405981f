"""Where in its epoch a run that goes on from a checkpoint is."""

from __future__ import annotations

from lightning import Trainer

from unlabelled.data.datasets.samples import ShuffledShard


def rows_done(trainer: Trainer | None, sampler: ShuffledShard) -> int:
    """Return how many rows of its first epoch a run has used already on each rank; 0 for a new run.

    A run resumed at the end of an epoch begins the next one at its start.
    """
    if trainer is None or not trainer.fit_loop.restarting:
        return 0
    batches = trainer.fit_loop.epoch_loop.batch_progress.current.ready
    return batches % _batches_per_epoch(trainer, sampler) * sampler.batch_size


def _batches_per_epoch(trainer: Trainer, sampler: ShuffledShard) -> int:
    limit = trainer.limit_train_batches
    batches = limit if isinstance(limit, int) else int(sampler.num_batches * limit)
    return max(1, min(sampler.num_batches, batches))
