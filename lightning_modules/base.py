"""Base of all methods: optimiser, learning-rate scaling, checkpoint check, evaluation step."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

import torch
from lightning import LightningModule
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.optim import Optimizer

from lightning_modules.accelerated_networks import compile_networks, lay_channels_last
from lightning_modules.resumed_checkpoint import check_resumed
from unlabelled.batch import Batch, Features
from unlabelled.checkpoints import with_present_classes
from unlabelled.contracts import Clusterable, HasCentroids, HasQueues, HasTarget, Labelled
from unlabelled.distributed import all_reduce_sum_, broadcast_buffers, world_size
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.optim import StepSchedule
from unlabelled.weights import load_encoders, load_weights

_KEY = "unlabelled"
_REQUIRED_CALLBACKS: dict[type, str] = {
    Clusterable: "ClusteringPass",
    HasCentroids: "CentroidUpdate",
    HasQueues: "QueueUpdate",
    HasTarget: "TargetUpdate",
}


class BaseModule(LightningModule):
    """Base of the methods, which consist of encoders, heads and a loss.

    Args:
        optimizer: Called with the parameters.
        scheduler: Called with the optimiser; ``None``: a constant rate.
        scheduler_interval: Whether the scheduler steps per ``epoch`` or per ``step``.
        lr_batch_size: The global batch that the optimiser's ``lr`` is meant for: the rate is multiplied by
            (actual global batch) / ``lr_batch_size``. ``None``: no scaling.
        encoder_checkpoint: Start from the encoders of this file, in any layout of
            :data:`unlabelled.layouts.LAYOUTS`; all else keeps its initial weights. Or a file for each of some
            modalities, by modality. It is ignored if ``--ckpt_path`` is given.
        weights: Start from all weights of this file that fit, in any of these layouts: encoders, projectors,
            transformers, anchors. Optimiser, schedule and queues are new. What does not fit keeps its initial
            weights and is logged. It is ignored if ``--ckpt_path`` is given.
        freeze_batchnorm: Normalise by BatchNorm's running statistics in training as well, and do not change
            them; scales and shifts are trained.
        compile: Compile the networks by ``torch.compile``, each at its first call, which takes up to minutes.
        channels_last: Store the kernels of convolutions with channels last.
        matmul_precision: ``high``: matrix products of float32 in TF32, where a GPU has it; ``medium``: in
            bfloat16; ``highest``: in float32; ``null``: torch's setting. See docs/scaling.md#gpus.

    Raises:
        ValueError: Both ``encoder_checkpoint`` and ``weights`` are given.

    See docs/weights.md.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/loss",)
    compares_samples: ClassVar[bool] = False
    """Whether the loss compares the samples of a step with each other, of which there must be two."""

    encoders: nn.ModuleDict

    def __init__(
        self,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None = None,
        scheduler_interval: Literal["epoch", "step"] = "epoch",
        lr_batch_size: int | None = None,
        encoder_checkpoint: str | dict[str, str] | None = None,
        weights: str | None = None,
        freeze_batchnorm: bool = False,
        compile: bool = False,
        channels_last: bool = False,
        matmul_precision: Literal["highest", "high", "medium"] | None = None,
    ) -> None:
        super().__init__()
        if encoder_checkpoint is not None and weights is not None:
            raise ValueError(
                f"{type(self).__name__}: encoder_checkpoint and weights are both given; weights has the "
                "encoders as well, give one of them"
            )
        self.encoder_checkpoint, self.weights = encoder_checkpoint, weights
        self.freeze_batchnorm, self._started = freeze_batchnorm, False
        self._compiles, self._channels_last, self._matmul_precision = compile, channels_last, matmul_precision
        self.optimizer, self.scheduler = optimizer, scheduler
        self.scheduler_interval, self.lr_batch_size = scheduler_interval, lr_batch_size

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Self:
        """Return the method of a checkpoint with its weights; see Lightning's method of this name.

        Checkpoints of earlier versions, with earlier names of classes, can be read as well.
        """
        return super().load_from_checkpoint(with_present_classes(checkpoint_path), *args, **kwargs)

    def setup(self, stage: str) -> None:
        """Check the callbacks, and load the weights that the method starts from, once.

        Raises:
            MisconfigurationException: The configuration lacks a callback that this method requires.
        """
        if stage == "fit":
            self._check_callbacks()
        if self.freeze_batchnorm:
            self.train(self.training)  # Lightning keeps the mode of each module
        if not self._started and self.trainer.ckpt_path is None:
            for line in self._load_start():
                rank_zero_info(line)
        if not self._started:
            self._accelerate()
        self._started = True

    def _accelerate(self) -> None:
        if self._matmul_precision is not None:
            torch.set_float32_matmul_precision(self._matmul_precision)
        if self._channels_last:
            lay_channels_last(self)
        if self._compiles:
            rank_zero_info(f"{compile_networks(self)} networks will be compiled at their first call")

    def _load_start(self) -> list[str]:
        """Load ``encoder_checkpoint`` or ``weights``; return lines that describe it."""
        if self.encoder_checkpoint is not None:
            return load_encoders(self.encoders, self.encoder_checkpoint)
        return [] if self.weights is None else load_weights(self, self.encoders, self.weights)

    def train(self, mode: bool = True) -> Self:
        """Set the mode, but keep BatchNorm in evaluation mode if ``freeze_batchnorm`` is given."""
        super().train(mode)
        if self.freeze_batchnorm:
            for part in self.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    part.eval()
        return self

    def _check_callbacks(self) -> None:
        served = {getattr(callback, "serves", None) for callback in self.trainer.callbacks}  # type: ignore[attr-defined]
        for contract, name in _REQUIRED_CALLBACKS.items():
            if isinstance(self, contract) and contract not in served:
                raise MisconfigurationException(
                    f"{type(self).__name__} needs callbacks.{name}; add to trainer.callbacks in the "
                    f"configuration: `- class_path: callbacks.{name}`, or to the command line: "
                    f"--trainer.callbacks+=callbacks.{name}"
                )

    @abstractmethod
    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``, the features for evaluation and clustering."""

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return ``loss`` and the inputs of callbacks: detached ``features``, ``keys`` for queues."""

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return the inputs of evaluation callbacks: ``features``, and other entries of some methods.

        The features of several crops of a sample are averaged.
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
        """Copy the buffers of rank 0 to all ranks: without SyncBatchNorm their running statistics differ."""
        broadcast_buffers(self, getattr(self, "_ddp_params_and_buffers_to_ignore", ()))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Check the number of samples.

        Raises:
            MisconfigurationException: There is one sample, and nothing to compare it with.
        """
        if self.compares_samples and batch["index"].numel() * self.trainer.world_size < 2:
            raise MisconfigurationException(
                f"{type(self).__name__} compares the samples of a step with each other, and a step has a "
                "single one; give --data.init_args.batch_size 2 or more"
            )

    def configure_optimizers(self) -> Any:
        """Build the optimiser with its scaled rate, and the scheduler."""
        optimizer = self.build_optimizer()
        if self.scheduler is None:
            return optimizer
        scheduler = self.scheduler(optimizer)
        interval = "step" if isinstance(scheduler, StepSchedule) else self.scheduler_interval
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}

    def on_train_start(self) -> None:
        """Pass the length of the run to a :class:`~unlabelled.optim.StepSchedule`.

        This must not happen earlier: to count the steps Lightning opens the training data, which a resumed
        run must not do before its position is restored.

        Raises:
            MisconfigurationException: The run has no end.
        """
        scheduler = self.lr_schedulers()
        if not isinstance(scheduler, StepSchedule):
            return
        trainer = self.trainer
        total = trainer.estimated_stepping_batches
        if math.isinf(total):
            raise MisconfigurationException(
                f"{type(scheduler).__name__} needs the end of the run; set --trainer.max_epochs or "
                "--trainer.max_steps"
            )
        scheduler.set_horizon(int(total), trainer.num_training_batches / trainer.accumulate_grad_batches)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Make a step of the optimiser.

        Raises:
            ValueError: The learning rate is so high that the step is no float; torch names no reason.
        """
        try:
            super().optimizer_step(*args, **kwargs)
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            raise ValueError(
                f"the optimiser's step {self.trainer.global_step} is too large for a float; "
                "lower model.init_args.optimizer.init_args.lr"
            ) from error

    def build_optimizer(self) -> Optimizer:
        """Return the optimiser of all parameters with a gradient; those of a target network have none."""
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
        """Store the name of the method, so that other methods can refuse the checkpoint."""
        checkpoint[_KEY] = {"method": type(self).__name__}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another method, shape or precision, or whose weights are not finite.

        Raises:
            ValueError: The method or the shape of a parameter differs; the message lists the differences.
                Or a weight is NaN or infinite, or a run would continue from weights of lower precision.
        """
        method = checkpoint.get(_KEY, {}).get("method")
        own = type(self).__name__
        if method != own:
            raise ValueError(
                f"the checkpoint holds a {method or 'foreign model'}, but the model is {own}; to load "
                "only its encoders, give it as --model.init_args.encoder_checkpoint; all weights that fit: "
                "--model.init_args.weights"
            )
        if differing := _shape_differences(self.state_dict(), checkpoint["state_dict"]):
            raise ValueError(
                f"the checkpoint does not fit the configured model {own}: {differing}; give the options that "
                "it was trained with"
            )
        resumes = self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING
        if resumes:
            check_resumed(self.trainer, checkpoint)
        for name, value in self.named_parameters():
            stored = checkpoint["state_dict"][name]
            if not stored.isfinite().all():
                raise ValueError(
                    f"the checkpoint's {name} is not finite: its run has diverged; give an earlier one"
                )
            if resumes and stored.dtype.itemsize < value.dtype.itemsize:
                raise ValueError(
                    f"the checkpoint's {name} is {stored.dtype}, but the run trains {value.dtype}: the lost "
                    "digits cannot be restored; give the checkpoint that fit wrote"
                )


def _shape_differences(own: dict[str, Tensor], stored: dict[str, Tensor], limit: int = 3) -> str:
    """Describe the first parameters that are missing on one side or have another shape."""
    shapes = [
        {name: tuple(value.shape) for name, value in state.items() if value is not None}
        for state in (own, stored)
    ]
    differing = [name for name in {**shapes[0], **shapes[1]} if shapes[0].get(name) != shapes[1].get(name)]
    texts = [
        f"{name} is {shapes[1].get(name, 'absent')} there and {shapes[0].get(name, 'absent')} here"
        for name in differing[:limit]
    ]
    if len(differing) > limit:
        texts.append(f"and {len(differing) - limit} more")
    return "; ".join(texts)


def check_num_classes(trainer: Any, num_classes: int) -> None:
    """Compare the number of classes of a method with that of the data.

    Raises:
        MisconfigurationException: They differ.
    """
    data = getattr(trainer, "datamodule", None)
    if isinstance(data, Labelled) and len(data.class_names) != num_classes:
        raise MisconfigurationException(
            f"num_classes={num_classes}, but the data set has {len(data.class_names)} classes; set "
            f"--model.init_args.num_classes {len(data.class_names)}"
        )


def log_means(module: LightningModule, values: dict[str, Tensor], batch_size: int) -> None:
    """Log ``train/<name>`` of each scalar, the mean over ranks; all ranks must give the same names."""
    means = all_reduce_sum_(torch.stack([value.detach().float() for value in values.values()]))
    for name, value in zip(values, means.div_(world_size()), strict=True):
        module.log(f"train/{name}", value, prog_bar=name == "loss", batch_size=batch_size)
