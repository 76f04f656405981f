"""Check and read the parts of a checkpoint beside the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lightning import Trainer


def check_resumed(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Check the loops, the optimisers and the callbacks that a method depends on.

    Lightning takes what is there, and leaves the rest as in a new run.

    Raises:
        ValueError: A part is absent, or of another kind, or has nothing that restores it.
    """
    own: dict[str, Any] = {"loops": {"fit_loop": trainer.fit_loop.state_dict()}, "callbacks": {}}
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if hasattr(callback, "serves") and callback.state_dict():
            own["callbacks"][callback.state_key] = {}
    if "current_model_state" in checkpoint and not any(
        getattr(each, "restores_weights", False)
        for each in trainer.callbacks  # type: ignore[attr-defined]
    ):
        raise ValueError(
            "the checkpoint's weights are an average, with which training cannot go on; add to "
            "trainer.callbacks the one that restores those of the run, callbacks.WeightAverage"
        )
    lacking = list(_lacking(own, checkpoint))
    states = checkpoint.get("optimizer_states")
    if not (isinstance(states, list) and states and all(isinstance(state, dict) for state in states)):
        lacking.append("optimizer_states")
    if lacking:
        raise ValueError(
            f"the run cannot continue from the checkpoint, which has no (right) {lacking[0]}"
            + (f" and lacks {len(lacking) - 1} more parts" if len(lacking) > 1 else "")
            + "; give another one, or start from its weights (--model.init_args.weights)"
        )


def stored_part(checkpoint: dict[str, Any], key: str) -> Any:
    """Return an entry of a checkpoint beside the weights.

    Raises:
        ValueError: There is none.
    """
    if key not in checkpoint:
        raise ValueError(f"the checkpoint has no {key}, which fit stores beside the weights; give another")
    return checkpoint[key]


def _lacking(own: dict[str, Any], stored: Any, place: str = "") -> Iterator[str]:
    """Yield the places of the entries of ``own`` that ``stored`` lacks, or that are no numbers there."""
    for key, value in own.items():
        name = f"{place}{key}"
        if not isinstance(stored, dict) or key not in stored:
            yield name
        elif isinstance(value, dict):
            yield from _lacking(value, stored[key], f"{name}.")
        elif isinstance(value, int) and not isinstance(stored[key], int):
            yield name
