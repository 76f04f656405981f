"""The batch of a resumed run is that of its checkpoint."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from callbacks import ResumableRun


def run(batch_size: int, processes: int, accumulated: int = 1) -> tuple[ResumableRun, Any]:
    """Return a callback that is set up, and its trainer."""
    trainer = SimpleNamespace(
        strategy=None,
        fit_loop=None,
        datamodule=SimpleNamespace(batch_size=batch_size),
        world_size=processes,
        accumulate_grad_batches=accumulated,
    )
    callback = ResumableRun()
    callback.setup(trainer, None, "fit")
    return callback, trainer


def resume(before: tuple[int, ...], after: tuple[int, ...], within_an_epoch: bool = False) -> None:
    """Load a checkpoint of a run with some sizes into a run with others."""
    callback, trainer = run(*after)
    current = {"ready": 2 + within_an_epoch, "started": 2, "processed": 2, "completed": 1}
    checkpoint = {
        "callbacks": {callback.state_key: run(*before)[0].state_dict()},
        "loops": {"fit_loop": {"epoch_progress": {"current": current}}},
    }
    callback.on_load_checkpoint(trainer, None, checkpoint)


@pytest.mark.parametrize(
    ("before", "after"), [((16, 1), (8, 2)), ((8, 2), (16, 1)), ((4, 4), (8, 2)), ((8, 2, 1), (8, 1, 2))]
)
def test_a_step_of_as_many_samples_goes_on(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    resume(before, after)
    if len(before) == 2:
        resume(before, after, within_an_epoch=True)


@pytest.mark.parametrize(
    ("before", "after", "within", "line"),
    [
        (
            (16, 1),
            (16, 2),
            False,
            "16 samples in a step, this run has 32 (batch_size 16 x 2 process(es)): schedules, queues and "
            "the position in an epoch would be wrong; give --data.init_args.batch_size 8,",
        ),
        ((16, 1), (32, 1), False, "(batch_size 32 x 1 process(es)): "),
        ((8, 1, 2), (8, 1, 1), False, "give --data.init_args.batch_size 16,"),
        ((8, 1), (4, 3), False, "use a number of processes by which 8 can be divided,"),
        (
            (8, 2, 1),
            (8, 1, 2),
            True,
            "within an epoch, with 16 samples in a batch, this run has 8; give "
            "--trainer.accumulate_grad_batches 1 and --data.init_args.batch_size 16",
        ),
    ],
)
def test_one_line_states_what_cannot_be(
    before: tuple[int, ...], after: tuple[int, ...], within: bool, line: str
) -> None:
    with pytest.raises(ValueError, match="the checkpoint was written") as error:
        resume(before, after, within)
    assert line in str(error.value)


def test_a_checkpoint_of_an_earlier_version_states_nothing() -> None:
    callback, trainer = run(16, 1)
    callback.on_load_checkpoint(trainer, None, {"callbacks": {}})
