"""Estimation of running statistics before the first clustering pass."""

from __future__ import annotations

from itertools import islice

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.shared.batches import frozen_state, iterate_batches
from unlabelled.contracts import Embeds, PredictsClusters, TrainingSet
from unlabelled.distributed import average_buffers, rank
from unlabelled.seeding import derive_seed, global_seed


class BatchNormWarmup(Callback):
    """Estimate the running statistics of BatchNorm before the first step.

    The first clustering pass, which is in evaluation mode, requires them. They are estimated by forward
    passes in training mode without gradients; afterwards all ranks have the mean of their statistics. List
    this callback before the clustering pass.

    Args:
        num_batches: Number of batches per rank (code of SeLaVi: 20).

    Raises:
        MisconfigurationException: The data module is no
            :class:`unlabelled.contracts.TrainingSet`, or the method does not embed
            (:class:`unlabelled.contracts.Embeds`).

    Source: facebookresearch/selavi, main.py and utils.py; docs/methods/selavi.md#clustering-pass.
    """

    def __init__(self, num_batches: int = 20) -> None:
        self.num_batches = num_batches

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Estimate the statistics, unless the run is resumed."""
        if trainer.global_step > 0:
            return
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, TrainingSet) or not isinstance(pl_module, Embeds):
            raise MisconfigurationException(
                "BatchNormWarmup needs a data module with training samples "
                "(unlabelled.contracts.TrainingSet) and a method that embeds (unlabelled.contracts.Embeds)"
            )
        # The training loader is shuffled (samples may be sorted by class) and has equally many full batches
        # on all ranks (SyncBatchNorm waits for all of them).
        loader, seed = data.train_dataloader(), derive_seed(global_seed(), "warmup", rank())
        with frozen_state(pl_module, train=True):
            batches = iterate_batches(trainer, pl_module, loader, "BatchNorm", seed)
            for batch in islice(batches, self.num_batches):
                features = pl_module.embed(batch)
                if isinstance(pl_module, PredictsClusters):
                    pl_module.log_probs(features)
        average_buffers(pl_module)
