"""Running statistics before the first clustering pass."""

from __future__ import annotations

from itertools import islice

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.shared.batches import frozen_state, iterate_batches
from unlabelled.contracts import Embeds, PredictsClusters, TrainingSet
from unlabelled.distributed import average_buffers


class BatchNormWarmup(Callback):
    """Estimate BatchNorm's running statistics before the first step: the first pass uses evaluation mode.

    Forward passes in training mode without gradients; afterwards all ranks hold the mean of their statistics.
    List it before the clustering pass.

    Args:
        num_batches: Batches per rank (SeLaVi's code: 20).

    Source: facebookresearch/selavi, main.py and utils.py; docs/methods/selavi.md#clustering-pass.
    """

    def __init__(self, num_batches: int = 20) -> None:
        self.num_batches = num_batches

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warm up, unless the run is resumed."""
        data = getattr(trainer, "datamodule", None)
        if trainer.global_step > 0:
            return
        if not isinstance(data, TrainingSet) or not isinstance(pl_module, Embeds):
            raise MisconfigurationException(
                "BatchNormWarmup needs a data module with training rows (unlabelled.contracts.TrainingSet) "
                "and a method that embeds"
            )
        # The training loader: shuffled, since rows may be sorted by class, and with equally many full batches
        # on all ranks, since SyncBatchNorm waits for all of them.
        loader = data.train_dataloader()
        with frozen_state(pl_module, train=True):
            for batch in islice(iterate_batches(trainer, pl_module, loader, "BatchNorm"), self.num_batches):
                features = pl_module.embed(batch)
                if isinstance(pl_module, PredictsClusters):
                    pl_module.log_probs(features)
        average_buffers(pl_module)
