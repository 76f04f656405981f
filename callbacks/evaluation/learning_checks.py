"""Checks without labels of whether a run learns."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.evaluation.learning_measures import (
    measures_of_copies,
    measures_of_rows,
    num_clusters,
    queue_measures,
)
from callbacks.evaluation.learning_samples import augmented_copies, columns_of, evaluated_rows
from callbacks.evaluation.learning_verdicts import Progress, verdict
from callbacks.shared.batches import datamodule, frozen_state, not_replaced
from callbacks.shared.chosen_rows import choose_rows
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.loggers import Messages, publish_text
from callbacks.shared.rows import RowCollection, gather
from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.contracts import Clusterable, Embeds, ReadsClips, TrainingSet
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.metrics.learning import PASSES, SCORE, Measures, agreement_by_head, score

logger = logging.getLogger(__name__)
_NO_VERDICT = "nothing found"
_FEWEST = 16


class LearningChecks(Callback):
    """Measure without labels whether a run learns, and name what is wrong in one sentence.

    Logs ``learning/*`` at validations of ``fit``, from a few held-out samples (without a validation set, from
    training samples as in evaluation, after the epoch) and from two augmented copies of a few training
    samples. It works with every method: clusters are those that its heads predict, or k-means clusters of its
    features. When the finding changes, the sentence is logged as a warning and as text ``learning/verdict``.
    docs/learning_checks.md explains each measure.

    The random states, the modes and the weights of the run do not change.

    Args:
        every_n_epochs: Epochs between two checks, which take place at validations; there is one after the
            last epoch too.
        num_samples: Largest number of held-out samples of all ranks, and of training samples whose
            pseudo-labels are compared between checks.
        num_copied: Largest number of training samples of all ranks that are augmented twice.
        on_validate: Also measure in ``validate``, to score a checkpoint; this finds the training samples too,
            and names no finding.

    Raises:
        MisconfigurationException: The method does not embed (:class:`unlabelled.contracts.Embeds`).
        ValueError: A number is out of its range.
    """

    logs: ClassVar[tuple[str, ...]] = ("learning/*",)

    def __init__(
        self,
        every_n_epochs: int = 1,
        num_samples: int = 512,
        num_copied: int = 128,
        on_validate: bool = False,
    ) -> None:
        if min(num_samples, num_copied) < _FEWEST:
            raise ValueError(
                f"LearningChecks: num_samples={num_samples}, num_copied={num_copied}; expected at "
                f"least {_FEWEST}"
            )
        self.times = EvaluationTimes(self, every_n_epochs, last_epoch=True)
        self.num_samples, self.num_copied, self.on_validate = num_samples, num_copied, on_validate
        self.measures: Measures = {}
        self._held_out: RowCollection | None = None
        self._rows: list[int] = []
        self._verdict = _NO_VERDICT
        self._pass_labels: Tensor | None = None
        self._messages = Messages(self)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method; in ``validate``, find the training samples as for ``fit``."""
        if not self._checks_stage(stage):
            return
        if not isinstance(pl_module, Embeds):
            raise MisconfigurationException(
                f"LearningChecks needs a method that embeds (unlabelled.contracts.Embeds), which "
                f"{type(pl_module).__name__} is not; take the callback out of trainer.callbacks"
            )
        if stage == "validate":
            datamodule(trainer).setup("fit")
            datamodule(trainer).setup("validate")

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the samples, if this validation is chosen."""
        self._held_out = None
        if self._checks_stage(trainer.state.fn) and self.times.is_now(trainer):
            self._held_out = RowCollection("LearningChecks")
            self._rows = choose_rows(_size(_first_loader(trainer)), self.num_samples, "held out")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the chosen samples of a batch of the first data loader."""
        if self._held_out is not None and dataloader_idx == 0:
            chosen = torch.tensor(self._rows, device=batch["index"].device)
            keep = not_replaced(batch) & torch.isin(batch["index"], chosen)
            self._held_out.add(batch, columns_of(outputs, batch), keep)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the held-out samples."""
        if self._held_out is not None:
            collection, self._held_out = self._held_out, None
            self._check(trainer, pl_module, collection, _first_loader(trainer))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check training samples, where there is no validation set."""
        data = datamodule(trainer)
        if _validates(trainer) or not isinstance(data, TrainingSet) or not self.times.is_now(trainer):
            return
        loader = data.fixed_pass_dataloader()
        if self._readable(loader):
            self._messages.log_once(": there is no validation set; training samples are checked")
            rows = choose_rows(_size(loader), self.num_samples, "training")
            collection = evaluated_rows(trainer, pl_module, loader, rows, "LearningChecks")
            self._check(trainer, pl_module, collection, loader)

    def _check(
        self, trainer: Trainer, module: LightningModule, collection: RowCollection, loader: DataLoader[Any]
    ) -> None:
        rows = gather(collection.finish())
        if len(rows) < _FEWEST:
            self._messages.log_once(f": {len(rows)} samples are too few for a check; {_FEWEST} are needed")
            return
        with frozen_state(module):  # after a training epoch the module is in training mode
            measures = measures_of_rows(module, rows, loader.dataset)
            measures |= self._pass_measures(module) | queue_measures(trainer, module)
            measures |= self._copy_measures(trainer, module)
        measures[SCORE] = score(measures)
        self.measures = measures
        for name, value in measures.items():
            module.log(f"learning/{name}", value, sync_dist=True)
        if trainer.state.fn == TrainerFn.FITTING:
            self._judge(trainer, module)

    def _checks_stage(self, stage: str | None) -> bool:
        return stage == "fit" or (stage == "validate" and self.on_validate)

    def _pass_measures(self, module: LightningModule) -> Measures:
        """Compare the pseudo-labels of some training samples with those of the last check."""
        if not isinstance(module, Clusterable) or not len(module.pseudo_labels):
            return {}
        table = module.pseudo_labels.table
        labels, before = table[choose_rows(len(table), self.num_samples, "passes")], self._pass_labels
        self._pass_labels = labels
        if before is None or len(before) != len(labels):
            return {}
        known = ((before != UNLABELLED) & (labels != UNLABELLED)).all(1)
        return {PASSES: agreement_by_head(before[known], labels[known])} if known.any() else {}

    def _copy_measures(self, trainer: Trainer, module: LightningModule) -> Measures:
        data = datamodule(trainer)
        if not isinstance(data, TrainingSet) or not self._readable(loader := data.pass_dataloader(0)):
            return {}
        rows = choose_rows(_size(loader), self.num_copied, "copies")
        return measures_of_copies(module, augmented_copies(trainer, module, loader, rows, "LearningChecks"))

    def _readable(self, loader: DataLoader[Any]) -> bool:
        """Return whether single rows of the training set can be read; log once if not."""
        readable = isinstance(loader.dataset, SampleDataset)
        if not readable:
            self._messages.log_once(
                f": no copies of training samples are compared, as {type(loader.dataset).__name__} is no "
                "unlabelled.data.datasets.samples.SampleDataset"
            )
        return readable

    def _judge(self, trainer: Trainer, module: LightningModule) -> None:
        data = datamodule(trainer)
        pipeline = data.active_pipeline if isinstance(data, ReadsClips) else None
        found = verdict(self.measures, _progress(trainer, num_clusters(module)), pipeline)
        name = _NO_VERDICT if found is None else found.name
        if name == self._verdict:
            return
        self._verdict = name
        sentence = _NO_VERDICT if found is None else found.sentence
        if found is not None and trainer.is_global_zero:
            logger.warning("LearningChecks: %s", sentence)
        publish_text(trainer, "learning/verdict", sentence)

    def state_dict(self) -> dict[str, Any]:
        """Return the last finding, and the pseudo-labels of the last check."""
        return {"verdict": self._verdict, "pass_labels": self._pass_labels}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        self._verdict, self._pass_labels = state_dict["verdict"], state_dict["pass_labels"]


def _progress(trainer: Trainer, clusters: int | None) -> Progress:
    epoch = trainer.current_epoch + 1
    shares = [epoch / trainer.max_epochs] if trainer.max_epochs and trainer.max_epochs > 0 else []
    if trainer.max_steps > 0:
        shares.append(trainer.global_step / trainer.max_steps)
    return Progress(epoch, min(max(shares, default=1.0), 1.0), clusters)


def _validates(trainer: Trainer) -> bool:
    """Return whether the run has validations; before the first one the number of batches is not known."""
    return trainer.enable_validation and (trainer.val_dataloaders is None or sum(trainer.num_val_batches) > 0)


def _size(loader: DataLoader[Any]) -> int:
    return len(loader.dataset)  # type: ignore[arg-type]


def _first_loader(trainer: Trainer) -> DataLoader[Any]:
    loaders = trainer.val_dataloaders
    first: DataLoader[Any] = loaders[0] if isinstance(loaders, list) else loaders  # type: ignore[assignment]
    return first
