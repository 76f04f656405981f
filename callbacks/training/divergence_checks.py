"""Checks of every run for values that are not finite, and for collapse."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from callbacks.shared.loggers import publish_text
from callbacks.training.collapse import (
    collapsed_features,
    collapsed_labels,
    collapsed_queues,
    sampled_features,
)
from callbacks.training.finite_state import KeptStatistics, not_finite
from callbacks.training.step_flags import StepFlags
from unlabelled.batch import Features
from unlabelled.data.datasets.samples import SampleDataset

logger = logging.getLogger(__name__)
_LOWER = "lower model.init_args.optimizer.init_args.lr"
_REMEDY = f"{_LOWER}, or leave such steps out with --divergence.on_divergence skip"
_NAMED = 3  # samples in a message
_NUM_LOOKS = 100


class DivergedError(RuntimeError):
    """A run whose loss, gradient or weights are not finite, or that has collapsed; one line."""


class DivergenceChecks(Callback):
    """Stop a run that is no longer finite, and warn of one that has collapsed.

    The loss and the gradient of each step are checked on the device, and read every
    ``log_every_n_steps`` steps and before a checkpoint; none is written of weights that are not finite, and
    these are not evaluated. A step is not finite if the loss of one of its batches, on any rank, or its
    gradient is not. In float16 the gradient alone is no reason: the scaler looks for it, and lowers its
    scale. After each epoch a few training samples are embedded: features that are equal, inputs that are
    constant, pseudo-labels that are all the same and queues of equal rows are named. ``cli.py`` adds this
    callback to every run; a run is the same with and without it, unless it diverges.

    Args:
        on_divergence: ``stop``: end the run with an error that names the first such step and its samples.
            ``skip``: set the gradient of such a step to zero on all ranks, so that only momentum and weight
            decay change the weights; take back its running statistics of batch normalisation, and push no
            keys of it into queues; count and name the steps, and end the run after ``max_skipped`` in a row.
            The batches that are accumulated to a step are left out together.
        on_collapse: ``warn``: log a warning when the finding changes. ``stop``: end the run.
        max_skipped: Number of skipped steps in a row that ends the run.
        num_samples: Number of training samples that are embedded after an epoch; 0: none.

    Raises:
        ValueError: A number is out of its range.
    """

    logs: ClassVar[tuple[str, ...]] = ("divergence/skipped",)

    def __init__(
        self,
        on_divergence: Literal["stop", "skip"] = "stop",
        on_collapse: Literal["warn", "stop"] = "warn",
        max_skipped: int = 10,
        num_samples: int = 16,
    ) -> None:
        if max_skipped < 1 or num_samples < 0:
            raise ValueError(
                f"DivergenceChecks: max_skipped={max_skipped}, num_samples={num_samples}; expected at least "
                "1 and 0"
            )
        self.on_divergence, self.on_collapse = on_divergence, on_collapse
        self.max_skipped, self.num_samples = max_skipped, num_samples
        self.skipped = 0
        self._skipped_in_a_row = 0
        self._flags = StepFlags(agree=on_divergence == "skip")
        self._kept = KeptStatistics()
        self._finding = ""

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Store the number of the step, which the step changes; with ``skip``, the running statistics."""
        if self._flags.begin(trainer.global_step) and self.on_divergence == "skip":
            self._kept.keep(pl_module)

    @property
    def left_out(self) -> Tensor | None:
        """Flag of the step that was just made, boolean ``()`` on the device; see :func:`left_out_step`."""
        return self._flags.step if self.on_divergence == "skip" else None

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Check the loss of a batch."""
        self._flags.add_loss(loss)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Check the gradient; with ``skip``, set it to zero if it or a loss of the step is not finite."""
        gradients = [
            p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        scaled = getattr(trainer.precision_plugin, "scaler", None) is not None
        # The scaler of float16 looks for gradients that are not finite, and leaves such steps out.
        bad = self._flags.add_gradient([] if scaled else gradients)
        if self.on_divergence == "skip" and bad is not None:
            for gradient in gradients:
                gradient.masked_fill_(bad, 0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the flags of the batch; read them every ``log_every_n_steps`` steps."""
        self._flags.end(trainer.current_epoch, batch_idx, batch["index"])
        if self.left_out is not None:
            self._kept.restore(pl_module, self.left_out)
        if (batch_idx + 1) % _interval(trainer) == 0 or trainer.is_last_batch:
            self._check_steps(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse a checkpoint of weights that are not finite, before it is written."""
        self.check_weights(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to evaluate weights that are not finite, whose features are not either."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self.check_weights(trainer, pl_module)

    def check_weights(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the flags of the steps, and check the weights.

        Raises:
            DivergedError: One of them is not finite.
        """
        self._check_steps(trainer)
        if name := not_finite(pl_module):
            raise DivergedError(
                f"{name} is not finite after {trainer.global_step} steps: the run has diverged, and its last "
                f"checkpoint is kept; {_REMEDY}"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for signs of collapse, after each epoch or, in a run of very many, after about 100 of them."""
        epoch = trainer.current_epoch + 1
        if epoch > 1 and epoch % max(1, (trainer.max_epochs or 0) // _NUM_LOOKS):
            return
        findings = [
            *collapsed_features(*sampled_features(trainer, pl_module, self.num_samples)),
            *collapsed_labels(pl_module),
            *collapsed_queues(pl_module),
        ]
        finding = "; ".join(findings)
        if finding == self._finding:
            return
        self._finding = finding
        if not finding:
            publish_text(trainer, "divergence/collapse", "nothing found")
            return
        text = f"{finding} (after {trainer.current_epoch + 1} epochs)"
        if self.on_collapse == "stop":
            raise DivergedError(f"the run has collapsed: {text}")
        if trainer.is_global_zero:
            logger.warning("DivergenceChecks: %s", text)
        publish_text(trainer, "divergence/collapse", text)

    def _check_steps(self, trainer: Trainer) -> None:
        """Read the flags of the steps since the last call; this waits for the device."""
        for number, bad in self._flags.read(trainer.global_step):
            if bad is None:
                self._skipped_in_a_row = 0
                continue
            samples = "samples of another process" if bad.rows is None else _names(trainer, bad.rows)
            where = f"epoch {bad.epoch}, {_counted(bad.batches)}, counted from 0"
            self._handle(trainer, f"the {bad.what} of step {number} is not finite ({where}: {samples})")

    def _handle(self, trainer: Trainer, text: str) -> None:
        if self.on_divergence == "stop":
            raise DivergedError(f"{text}; {_REMEDY}")
        self.skipped += 1
        self._skipped_in_a_row += 1
        logger.warning("DivergenceChecks: %s; the step was left out", text)
        for each in trainer.loggers:
            each.log_metrics({"divergence/skipped": float(self.skipped)}, step=trainer.global_step)
        if self._skipped_in_a_row >= self.max_skipped:
            raise DivergedError(
                f"{text}; {self._skipped_in_a_row} steps in a row were left out: the run has diverged; "
                f"{_LOWER}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the number of skipped steps and the last finding."""
        return {"skipped": self.skipped, "in_a_row": self._skipped_in_a_row, "finding": self._finding}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self.skipped, self._skipped_in_a_row = state_dict["skipped"], state_dict["in_a_row"]
        self._finding = state_dict["finding"]


def left_out_step(trainer: Trainer) -> Tensor | None:
    """Return whether the step that was just made is left out, a flag on the device.

    None: no step ever is, or the batch is one that is accumulated to a later step.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    flags = [each.left_out for each in callbacks if isinstance(each, DivergenceChecks)]
    return next((flag for flag in flags if flag is not None), None)


def finite_rows(trainer: Trainer, features: Features) -> Tensor | None:
    """Return which rows ``(B,)`` of a batch are finite, a mask on the device; None: no step is ever left out.

    Args:
        trainer: The trainer.
        features: ``{name: (B, ...)}``.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    checks = [each for each in callbacks if isinstance(each, DivergenceChecks)]
    if not any(each.on_divergence == "skip" for each in checks):
        return None
    return torch.stack([each.isfinite().flatten(1).all(1) for each in features.values()]).all(0)


def check_finite(trainer: Trainer, pl_module: LightningModule) -> None:
    """Check the steps and the weights now, if the run is checked at all, before something long uses them.

    Raises:
        DivergedError: A step or a weight is not finite.
    """
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for each in callbacks:
        if isinstance(each, DivergenceChecks):
            each.check_weights(trainer, pl_module)


def _interval(trainer: Trainer) -> int:
    """Return ``log_every_n_steps``; 1 for a trainer that logs nothing."""
    steps: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
    return steps or 1


def _counted(batches: Sequence[int]) -> str:
    first, last = batches[0], batches[-1]
    return f"batch {first}" if first == last else f"batches {first} to {last}"


def _names(trainer: Trainer, index: Tensor) -> str:
    """Return the files of the first rows of a batch."""
    data = getattr(trainer.train_dataloader, "dataset", None)
    rows = index.flatten().tolist()
    names = [data.path(row) if isinstance(data, SampleDataset) else f"row {row}" for row in rows[:_NAMED]]
    more = len(rows) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
