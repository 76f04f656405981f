"""When evaluations happen."""

from __future__ import annotations

from lightning import Callback, Trainer
from lightning.pytorch.trainer.states import TrainerFn


class EvaluationTimes:
    """Every so many validations of ``fit``, or none of them; always in ``validate`` and ``test``.

    Args:
        owner: Whose times they are, for messages.
        every_n_epochs: Epochs from one to the next; None: never within ``fit``.

    Raises:
        ValueError: It is below 1.
    """

    def __init__(self, owner: Callback, every_n_epochs: int | None) -> None:
        if every_n_epochs is not None and every_n_epochs < 1:
            raise ValueError(
                f"{type(owner).__name__}: every_n_epochs must be at least 1, or null for never, got "
                f"{every_n_epochs}"
            )
        self.every_n_epochs = every_n_epochs

    def is_now(self, trainer: Trainer) -> bool:
        """Return whether the evaluation that is about to start is one of them."""
        if trainer.sanity_checking:
            return False
        if trainer.state.fn != TrainerFn.FITTING:
            return True
        every = self.every_n_epochs
        return every is not None and (trainer.current_epoch + 1) % every == 0
