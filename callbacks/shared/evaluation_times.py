"""Choice of the evaluations at which a callback acts."""

from __future__ import annotations

from lightning import Callback, Trainer
from lightning.pytorch.trainer.states import TrainerFn


class EvaluationTimes:
    """Every n-th validation of ``fit``, or none; and each evaluation of ``validate`` and ``test``.

    Args:
        owner: The callback, for messages.
        every_n_epochs: Epochs between two evaluations; None: none within ``fit``.
        last_epoch: Whether the validation after the last epoch of ``fit`` is chosen too.

    Raises:
        ValueError: ``every_n_epochs`` is below 1.
    """

    def __init__(self, owner: Callback, every_n_epochs: int | None, last_epoch: bool = False) -> None:
        if every_n_epochs is not None and every_n_epochs < 1:
            raise ValueError(
                f"{type(owner).__name__}: every_n_epochs must be at least 1, got {every_n_epochs}"
                + ("" if last_epoch else "; set it to null for no evaluation within fit")
            )
        self.every_n_epochs, self.last_epoch = every_n_epochs, last_epoch

    def is_now(self, trainer: Trainer) -> bool:
        """Return whether the present evaluation is chosen; the sanity check never is."""
        if trainer.sanity_checking:
            return False
        if trainer.state.fn != TrainerFn.FITTING:  # trainer.training is False in a validation of fit
            return True
        epoch = trainer.current_epoch + 1
        if self.last_epoch and epoch == trainer.max_epochs:
            return True
        return self.every_n_epochs is not None and epoch % self.every_n_epochs == 0
