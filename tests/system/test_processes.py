"""Several processes on one machine compute the same pseudo-labels as one, from the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from tests._helpers.commands import EVERY_EPOCH, command, load
from tests._helpers.two_processes import cli_in_processes

TWO_EPOCHS = 12  # steps


@pytest.fixture(scope="module")
def weights(tiny_root: Path, tiny_overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the option that resumes a run of two epochs, whose next step begins with a clustering pass."""
    out = tmp_path_factory.mktemp("weights")
    arguments = command("fit", tiny_root, tiny_overlay, out, schedule=EVERY_EPOCH)
    assert cli.main([*arguments, "--model.init_args.num_clusters=9"]) == 0
    assert load(out)["global_step"] == TWO_EPOCHS
    return f"--ckpt_path={out / 'checkpoints' / 'last.ckpt'}"


@pytest.fixture(scope="module")
def options(weights: str) -> list[str]:
    return [
        weights,
        f"--trainer.max_steps={TWO_EPOCHS + 1}",
        "--trainer.max_epochs=4",
        "--model.init_args.num_clusters=9",
    ]


@pytest.fixture(scope="module")
def alone(
    tiny_root: Path, tiny_overlay: Path, options: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return the checkpoint after one more pass and step in one process."""
    out = tmp_path_factory.mktemp("alone")
    assert cli.main(command("fit", tiny_root, tiny_overlay, out, *options, schedule=EVERY_EPOCH)) == 0
    return load(out)


def test_two_nodes_have_the_labels_of_one(
    tiny_root: Path, tiny_overlay: Path, options: list[str], alone: dict[str, Any], tmp_path: Path
) -> None:
    two = ["--trainer.strategy=ddp", "--trainer.num_nodes=2", "--data.init_args.batch_size=3"]
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *two, *options, schedule=EVERY_EPOCH)
    assert cli_in_processes(arguments, tmp_path / "ranks", 2, nodes=2) == [0, 0]
    _assert_same_labels(load(tmp_path), alone)


def _assert_same_labels(many: dict[str, Any], one: dict[str, Any]) -> None:
    assert many["global_step"] == one["global_step"] == TWO_EPOCHS + 1
    assert one["pseudo_labels"].unique().numel() > 1
    assert torch.equal(many["pseudo_labels"], one["pseudo_labels"])


def test_two_devices_complete_figures_and_test(tiny_root: Path, tiny_overlay: Path, tmp_path: Path) -> None:
    """Only the first process writes figures, table and degradation; the other must not block."""
    two = ["--config=configs/trainer/cpu_ddp2.yaml", "--model.init_args.num_clusters=9"]
    fit = command("fit", tiny_root, tiny_overlay, tmp_path, *two, "--trainer.max_epochs=1")
    assert cli_in_processes(fit, tmp_path / "fit", 2) == [0, 0]
    assert len(list(tmp_path.glob("log/version_*/figures/*.png"))) == 3
    checkpoint = f"--ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"
    test = command("test", tiny_root, tiny_overlay, tmp_path, *two, checkpoint)
    assert cli_in_processes(test, tmp_path / "test", 2) == [0, 0]
    assert "after training" in (tmp_path / "test" / "0.txt").read_text()
    assert len(list(tmp_path.glob("log/version_*/figures/degradation.png"))) == 1
