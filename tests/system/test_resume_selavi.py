"""SeLaVi stopped on some processes goes on bit for bit on as many, and with the same labels on others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from tests._helpers.commands import EVERY_EPOCH, assert_same_run, command, load
from tests._helpers.two_processes import cli_in_processes

SAMPLES = 12  # of a step
EPOCH = 3  # steps of the 36 clips; each epoch begins with a clustering pass


class Runs:
    """Runs of the demo in folders below one, on a number of processes."""

    def __init__(self, root: Path, overlay: Path, folder: Path) -> None:
        self.root, self.overlay, self.folder = root, overlay, folder

    def fit(self, name: str, processes: int, steps: int, *more: str) -> list[int]:
        """Return the exit codes of a training of some steps, which goes on if it was stopped before."""
        several = [f"--trainer.devices={processes}", "--trainer.strategy=ddp"] if processes > 1 else []
        options = [
            "--model.init_args.num_clusters=9",
            f"--data.init_args.batch_size={SAMPLES // processes}",
            f"--trainer.max_steps={steps}",
            "--trainer.max_epochs=9",
            "--ckpt_path=last",
        ]
        out = self.folder / name
        arguments = command(
            "fit", self.root, self.overlay, out, *options, *several, *more, schedule=EVERY_EPOCH
        )
        if processes == 1:
            return [cli.main(arguments)]
        return cli_in_processes(arguments, out / "ranks", processes)

    def copy(self, name: str, new: str) -> None:
        """Copy the checkpoints of a run."""
        shutil.copytree(self.folder / name / "checkpoints", self.folder / new / "checkpoints")

    def state(self, name: str) -> dict[str, Any]:
        """Return the last checkpoint of a run."""
        return load(self.folder / name)


@pytest.fixture(scope="module")
def runs(tiny_root: Path, tiny_overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return the runs, of which one, on two processes, has trained for two epochs."""
    runs = Runs(tiny_root, tiny_overlay, tmp_path_factory.mktemp("runs"))
    assert runs.fit("two", 2, 2 * EPOCH) == [0, 0]
    return runs


def test_two_processes_go_on_bit_for_bit(runs: Runs) -> None:
    signal = ["place=SIGTERM", f"step={EPOCH}", "rank=1"]
    stop = [f"--trainer.callbacks.{each}" for each in signal]
    codes = runs.fit("stopped", 2, 2 * EPOCH, "--trainer.callbacks+=tools.kill_test.places.KillAt", *stop)
    assert codes == [143, 143]
    assert runs.state("stopped")["global_step"] == EPOCH + 1
    assert runs.fit("stopped", 2, 2 * EPOCH) == [0, 0]
    assert_same_run(runs.state("stopped"), runs.state("two"))


def test_other_numbers_of_processes_have_the_same_labels(runs: Runs) -> None:
    for processes in (1, 4):
        runs.copy("two", str(processes))
        assert runs.fit(str(processes), processes, 2 * EPOCH + 1) == [0] * processes
    one, four = runs.state("1"), runs.state("4")
    assert not torch.equal(one["pseudo_labels"], runs.state("two")["pseudo_labels"])  # there was a pass
    assert torch.equal(one["pseudo_labels"], four["pseudo_labels"])
    assert _passes(one) == _passes(four)
    assert runs.fit("4", 2, 3 * EPOCH) == [0, 0]
    again = runs.state("4")
    assert again["global_step"] == 3 * EPOCH
    assert torch.equal(again["pseudo_labels"], four["pseudo_labels"])  # the next pass is not yet due
    assert _passes(again) == _passes(four)


def _passes(state: dict[str, Any]) -> Any:
    (key,) = [key for key in state["callbacks"] if key.startswith("ClusteringPass")]
    return {name: value for name, value in state["callbacks"][key].items() if not torch.is_tensor(value)}
