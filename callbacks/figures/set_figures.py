"""What callbacks that draw evaluation sets share: when, and which sets."""

from __future__ import annotations

from collections.abc import Sequence

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info

from callbacks.shared.batches import datamodule
from unlabelled.contracts import EvaluatesOnSets
from unlabelled.data.datasets.evaluation_sets import EvaluationSet


class SetFigures(Callback):
    """Draw the evaluation sets now and then.

    Args:
        every_n_epochs: Epochs between two sets of pictures in ``fit``, whose last epoch is drawn too;
            ``validate`` and ``test`` always draw.
    """

    def __init__(self, every_n_epochs: int) -> None:
        self.check_positive(every_n_epochs=every_n_epochs)
        self.every_n_epochs = every_n_epochs
        self._told: set[str] = set()

    def check_positive(self, **options: int) -> None:
        """Refuse numbers below 1."""
        for name, value in options.items():
            if value < 1:
                raise ValueError(f"{type(self).__name__}: {name} must be at least 1, got {value}")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are sets to draw."""
        if stage != "predict" and not isinstance(getattr(trainer, "datamodule", None), EvaluatesOnSets):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a data module with evaluation sets "
                "(unlabelled.contracts.EvaluatesOnSets)"
            )

    def require(self, pl_module: LightningModule, contract: type, what: str) -> None:
        """Check at start that the method can do what is drawn.

        Raises:
            MisconfigurationException: It does not keep the contract.
        """
        if not isinstance(pl_module, contract):
            raise MisconfigurationException(
                f"{type(self).__name__} needs a method {what} (unlabelled.contracts.{contract.__name__}), "
                f"which {type(pl_module).__name__} is not"
            )

    def sets(self, trainer: Trainer) -> Sequence[EvaluationSet]:
        """Return the set of each data loader of the present stage, opened."""
        found: Sequence[EvaluationSet] = datamodule(trainer).evaluation_sets(self.stage(trainer))
        for each in found:
            each.open()
        return found

    def stage(self, trainer: Trainer) -> str:
        """Return ``val`` or ``test``."""
        return "test" if trainer.testing else "val"

    def is_due(self, trainer: Trainer) -> bool:
        """Return whether this evaluation is one to draw."""
        if trainer.sanity_checking:
            return False
        if trainer.state.fn != TrainerFn.FITTING:
            return True
        epoch = trainer.current_epoch + 1
        return epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs

    def tell(self, message: str) -> None:
        """Say something once, on one rank."""
        if message not in self._told:
            rank_zero_info(f"{type(self).__name__}: {message}")
        self._told.add(message)
