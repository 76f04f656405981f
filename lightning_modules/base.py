"""What all methods share: optimiser, learning-rate scaling, checkpoint check, evaluation step."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Literal, Self

from lightning import LightningModule
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.optim import Optimizer

from unlabelled.batch import Batch, Features
from unlabelled.checkpoints import load_encoders, with_present_classes
from unlabelled.contracts import Clusterable, HasCentroids, HasQueues, HasTarget
from unlabelled.distributed import broadcast_buffers
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.optim import WarmupCosine

_KEY = "unlabelled"
_SERVED_BY: dict[type, str] = {
    Clusterable: "ClusteringPass",
    HasCentroids: "CentroidUpdate",
    HasQueues: "QueueUpdate",
    HasTarget: "TargetUpdate",
}


class BaseModule(LightningModule):
    """A method: encoders, heads, loss, and what the callbacks may ask of it.

    Args:
        optimizer: Called with the parameters.
        scheduler: Called with the optimiser; ``None``: a constant rate.
        scheduler_interval: Whether the scheduler steps per ``epoch`` or per ``step``.
        lr_batch_size: The global batch that the optimiser's ``lr`` is meant for: the rate is multiplied by
            (actual global batch) / ``lr_batch_size``. ``None``: no scaling.
        encoder_checkpoint: Start from the encoders of this checkpoint, of any method; everything else stays
            new. ``--ckpt_path`` goes before it.
    """

    encoders: nn.ModuleDict

    def __init__(
        self,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
        lr_batch_size: int | None = None,
        encoder_checkpoint: str | None = None,
    ) -> None:
        super().__init__()
        self.encoder_checkpoint = encoder_checkpoint
        self.optimizer, self.scheduler = optimizer, scheduler
        self.scheduler_interval, self.lr_batch_size = scheduler_interval, lr_batch_size

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Self:
        """Return the method of a checkpoint with its weights; see Lightning's method of this name.

        Checkpoints that name classes as earlier versions did are read as well.
        """
        return super().load_from_checkpoint(with_present_classes(checkpoint_path), *args, **kwargs)

    def setup(self, stage: str) -> None:
        """Take over the encoders of another run; a checkpoint of this method has its own.

        Raises:
            MisconfigurationException: The configuration lacks a callback that this method lives on.
        """
        if stage == "fit":
            self._check_callbacks()
        if self.encoder_checkpoint is not None and self.trainer.ckpt_path is None:
            load_encoders(self.encoders, self.encoder_checkpoint)

    def _check_callbacks(self) -> None:
        served = {getattr(callback, "serves", None) for callback in self.trainer.callbacks}  # type: ignore[attr-defined]
        for contract, name in _SERVED_BY.items():
            if isinstance(self, contract) and contract not in served:
                raise MisconfigurationException(
                    f"{type(self).__name__} needs callbacks.{name}; add to trainer.callbacks in the "
                    f"configuration: `- class_path: callbacks.{name}`, or to the command line: "
                    f"--trainer.callbacks+=callbacks.{name}"
                )

    @abstractmethod
    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``, the features that evaluation and clustering consume."""

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return ``loss`` and what callbacks need of the step: detached ``features``, ``keys`` of queues."""

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return what evaluation callbacks may use: ``features``, and more by method.

        Of several views of a sample the features are averaged.
        """
        return {"features": embed_crops(self.embed, batch)}

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Evaluate a batch once for all callbacks."""
        return self.evaluation_step(batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Evaluate a batch once for all callbacks."""
        return self.evaluation_step(batch)

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Evaluate a batch once for all callbacks."""
        return self.evaluation_step(batch)

    def on_validation_start(self) -> None:
        """Let all ranks evaluate one network: without SyncBN their running statistics differ."""
        broadcast_buffers(self, getattr(self, "_ddp_params_and_buffers_to_ignore", ()))

    def configure_optimizers(self) -> Any:
        """Build the optimiser with its scaled rate, and the scheduler."""
        optimizer = self.build_optimizer()
        if self.scheduler is None:
            return optimizer
        scheduler = self.scheduler(optimizer)
        interval = "step" if isinstance(scheduler, WarmupCosine) else self.scheduler_interval
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}

    def on_train_start(self) -> None:
        """Tell the schedule how long the run is.

        Not earlier: to count the steps Lightning opens the training data, which a resumed run must not do
        before it knows where it was.
        """
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, WarmupCosine):
            self._set_horizon(scheduler)

    def _set_horizon(self, scheduler: WarmupCosine) -> None:
        trainer = self.trainer
        total = trainer.estimated_stepping_batches
        if math.isinf(total):
            raise MisconfigurationException(
                "WarmupCosine needs the end of the run; set --trainer.max_epochs or --trainer.max_steps"
            )
        scheduler.set_horizon(int(total), trainer.num_training_batches / trainer.accumulate_grad_batches)

    def build_optimizer(self) -> Optimizer:
        """Return the optimiser of all that has a gradient, which a target network has not."""
        optimizer: Optimizer = self.optimizer([p for p in self.parameters() if p.requires_grad])
        self._scale_learning_rate(optimizer)
        return optimizer

    def _scale_learning_rate(self, optimizer: Optimizer) -> None:
        if self.lr_batch_size is None:
            return
        trainer = self.trainer
        data = trainer.datamodule  # type: ignore[attr-defined]
        batch = data.batch_size * trainer.world_size * trainer.accumulate_grad_batches
        for group in optimizer.param_groups:
            base = group["lr"]
            group["lr"] = base * batch / self.lr_batch_size
            rank_zero_info(f"lr {base:g} for batch {self.lr_batch_size} -> {group['lr']:g} for batch {batch}")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the method, so that another one refuses the checkpoint."""
        checkpoint[_KEY] = {"method": type(self).__name__}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another method or another shape.

        Raises:
            ValueError: With one line that says what differs.
        """
        method = checkpoint.get(_KEY, {}).get("method")
        mine = type(self).__name__
        if method != mine:
            raise ValueError(
                f"the checkpoint holds a {method or 'foreign model'}, but the model is {mine}; to take over "
                "its encoders alone, give it as --model.init_args.encoder_checkpoint"
            )
        if differing := _shape_differences(self.state_dict(), checkpoint["state_dict"]):
            raise ValueError(
                f"the checkpoint does not fit the model {mine} that was asked for: {differing}; give the "
                "options that it was trained with"
            )


def _shape_differences(wanted: dict[str, Tensor], stored: dict[str, Tensor], show: int = 3) -> str:
    """Describe the first parameters that are missing on one side or have another shape."""
    shapes = [
        {name: tuple(value.shape) for name, value in state.items() if value is not None}
        for state in (wanted, stored)
    ]
    differing = [name for name in {**shapes[0], **shapes[1]} if shapes[0].get(name) != shapes[1].get(name)]
    texts = [
        f"{name} is {shapes[1].get(name, 'absent')} there and {shapes[0].get(name, 'absent')} here"
        for name in differing[:show]
    ]
    if len(differing) > show:
        texts.append(f"and {len(differing) - show} more")
    return "; ".join(texts)
