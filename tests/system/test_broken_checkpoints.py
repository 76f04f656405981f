"""Checkpoints that are whole files but lack or contain something wrong are refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from tests._helpers.commands import EVERY_EPOCH, command, load

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def whole(tiny_root: Path, tiny_overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("whole")
    arguments = command("fit", tiny_root, tiny_overlay, out, "--trainer.max_epochs=1", schedule=EVERY_EPOCH)
    assert cli.main(arguments) == 0
    return load(out)


def half(stored: dict[str, Any]) -> None:
    stored["state_dict"] = {
        name: value.half() if value.is_floating_point() else value
        for name, value in stored["state_dict"].items()
    }


def not_finite(stored: dict[str, Any]) -> None:
    name = "encoders.video.trunk.0.weight"
    stored["state_dict"][name] = stored["state_dict"][name] * torch.nan


def without(*keys: str) -> Change:
    def change(stored: dict[str, Any]) -> None:
        for key in keys[:-1]:
            stored = stored[key]
        del stored[keys[-1]]

    return change


def replaced(value: Any, *keys: str) -> Change:
    def change(stored: dict[str, Any]) -> None:
        for key in keys[:-1]:
            stored = stored[key]
        stored[keys[-1]] = value

    return change


def of_other_clips(stored: dict[str, Any]) -> None:
    stored["pseudo_labels"] = stored["pseudo_labels"][:-3]


CHANGES: dict[str, tuple[Change, str]] = {
    "half": (half, "is torch.float16, but the run trains torch.float32"),
    "not finite": (not_finite, "is not finite: its run has diverged"),
    "weight": (without("state_dict", "encoders.video.trunk.0.weight"), "encoders.video.trunk.0.weight"),
    "loops": (without("loops"), "cannot be resumed: it has no loops"),
    "optimizer": (without("optimizer_states"), "cannot be resumed: it has no optimizer_states"),
    "labels": (without("pseudo_labels"), "pseudo_labels"),
    "other labels": (of_other_clips, "pseudo-labels"),
    "text": (replaced("three", "loops"), "loops"),
    "fit loop": (without("loops", "fit_loop"), "loops"),
    "epoch loop": (without("loops", "fit_loop", "epoch_loop.batch_progress"), "loops"),
    "no optimizer": (replaced([], "optimizer_states"), "optimizer"),
    "state": (replaced({}, "callbacks"), "callbacks"),
    "method": (replaced({"method": "GDT"}, "unlabelled"), "GDT"),
    "list": (replaced([1, 2], "state_dict"), "state_dict"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_checkpoint_is_refused_in_one_line(
    name: str,
    whole: dict[str, Any],
    tiny_root: Path,
    tiny_overlay: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change, words = CHANGES[name]
    torch.save(whole, tmp_path / "whole.ckpt")
    stored = torch.load(tmp_path / "whole.ckpt", weights_only=True)
    change(stored)
    torch.save(stored, tmp_path / "wrong.ckpt")
    options = ["--trainer.max_epochs=2", f"--ckpt_path={tmp_path / 'wrong.ckpt'}"]
    code = cli.main(command("fit", tiny_root, tiny_overlay, tmp_path, *options, schedule=EVERY_EPOCH))
    *_, line = capsys.readouterr().err.strip().splitlines()
    assert code == 1
    assert line.startswith("error: ")
    assert words in line
