"""Base class of figures of evaluation sets."""

from __future__ import annotations

from collections.abc import Sequence

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.shared.batches import datamodule
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.loggers import Messages
from unlabelled.contracts import EvaluatesOnSets
from unlabelled.data.datasets.evaluation_sets import EvaluationSet


class SetFigures(Callback):
    """Draw the evaluation sets every few epochs.

    Args:
        every_n_epochs: Epochs between two sets of figures in ``fit``, whose last epoch is drawn too;
            ``validate`` and ``test`` always draw.
    """

    def __init__(self, every_n_epochs: int) -> None:
        self.times = EvaluationTimes(self, every_n_epochs, last_epoch=True)
        self.messages = Messages(self)

    def check_positive(self, **options: int) -> None:
        """Raise a ValueError if an option is below 1."""
        for name, value in options.items():
            if value < 1:
                raise ValueError(f"{type(self).__name__}: {name} must be at least 1, got {value}")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the data module."""
        if stage != "predict" and not isinstance(getattr(trainer, "datamodule", None), EvaluatesOnSets):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a data module with evaluation sets "
                "(unlabelled.contracts.EvaluatesOnSets)"
            )

    def require(self, pl_module: LightningModule, contract: type, ability: str) -> None:
        """Check the interface of the method.

        Raises:
            MisconfigurationException: It is not an instance of ``contract``; the message contains
                ``ability``.
        """
        if not isinstance(pl_module, contract):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a method {ability} (unlabelled.contracts.{contract.__name__}), "
                f"which {type(pl_module).__name__} is not"
            )

    def sets(self, trainer: Trainer) -> Sequence[EvaluationSet]:
        """Return the set of each data loader of the present stage, opened."""
        sets: Sequence[EvaluationSet] = datamodule(trainer).evaluation_sets(self.stage(trainer))
        for each in sets:
            each.open()
        return sets

    def stage(self, trainer: Trainer) -> str:
        """Return ``val`` or ``test``."""
        return "test" if trainer.testing else "val"
