"""A run of a shipped configuration that diverges ends with one line, and no broken checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import cli
from tests._helpers.commands import EVERY_EPOCH, command
from tests._helpers.demos import few_steps
from tests.conftest import ROOT


def test_a_rate_that_is_too_high(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model.init_args.optimizer.init_args.lr=1e38", "--trainer.max_epochs=2"]
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *options, schedule=EVERY_EPOCH)
    assert cli.main(arguments) == 1
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert "error: the loss of step 1 is not finite (epoch 0, batch 1, counted from 0: " in line
    assert str(tiny_root) in line  # files of the batch
    assert "--divergence.on_divergence skip" in line
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        state = torch.load(path, weights_only=True)["state_dict"]
        assert all(bool(value.isfinite().all()) for value in state.values())


def test_black_and_silent_clips_end_a_run_if_asked(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [
        "--divergence.on_collapse=stop",
        "--data.init_args.pipeline.init_args.volume=[0.0, 0.0]",
        "--trainer.max_epochs=1",
    ]
    assert cli.main(command("fit", tiny_root, tiny_overlay, tmp_path, *options, schedule=EVERY_EPOCH)) == 1
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert "error: the run has collapsed: the audio of all 16 samples that were checked is constant" in line


@pytest.mark.parametrize(
    ("demo", "reason"),
    [
        ("l3", "L3Net compares the samples of a step with each other, and a step has a single one"),
        ("mcn", "MCN compares the samples of a step with each other, and a step has a single one"),
        ("moco", "BatchNorm has one value per channel and so no variance: a step of training has a single"),
    ],
)
def test_a_step_of_one_sample_that_cannot_be_learned_from(
    demo: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = few_steps(ROOT / "configs" / "demo" / f"{demo}.yaml", tmp_path / "data", tmp_path / "run", 1)
    one = ["--data.init_args.batch_size=1"]
    one += ["--data.init_args.clips_per_video=1"] if demo == "mcn" else []
    assert cli.main([*arguments, *one]) == 1
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert f"error: {reason}" in line
    assert "give --data.init_args.batch_size 2 or more" in line
