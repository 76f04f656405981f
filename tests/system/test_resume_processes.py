"""A run goes on with another number of processes: weights, queue, target, schedules are those of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from tests._helpers import dataset_folders as layouts
from tests._helpers.shrink import shrink
from tests._helpers.two_processes import cli_in_processes
from tests.conftest import ROOT

RECIPE = ROOT / "configs" / "recipes" / "sce_cifar10.yaml"
SAMPLES = 8  # of a step
STAGES = ((4, 4), (2, 5), (1, None))  # tests/system/test_processes.py has one, then two
"""Number of processes, and the step after which a signal to the last of them stops all."""


def _fit(images: Path, out: Path, processes: int, *more: str) -> list[str]:
    return [
        "fit",
        f"--config={RECIPE}",
        "--data=datamodules.ImageFolder",
        f"--config={shrink(RECIPE, out, 3)}",
        f"--data.init_args.root={images}",
        f"--data.init_args.batch_size={SAMPLES // processes}",
        "--model.init_args.encoder=tests._helpers.norm_free.NormFreeEncoder",
        "--model.init_args.projector.init_args.norm=none",
        "--model.init_args.shuffle_bn=null",
        "--model.init_args.queue_size=64",
        "--model.init_args.optimizer.init_args.lr=0.5",
        "--trainer.max_epochs=3",
        *([f"--trainer.devices={processes}", "--trainer.strategy=ddp"] if processes > 1 else []),
        *more,
    ]


def test_four_then_two_then_one_process(tmp_path: Path) -> None:
    images = layouts.image_folders(tmp_path / "images", classes=3, per_class=8)
    assert cli.main(_fit(images, tmp_path / "alone", 1)) == 0
    many = tmp_path / "many"
    for processes, step in STAGES:
        more = ["--ckpt_path=last"] if (many / "checkpoints" / "last.ckpt").is_file() else []
        if step is not None:
            more.append("--trainer.callbacks+=tools.kill_test.places.KillAt")
            for name, value in {"place": "SIGTERM", "step": step - 1, "rank": processes - 1}.items():
                more.append(f"--trainer.callbacks.{name}={value}")
        arguments, folder = _fit(images, many, processes, *more), tmp_path / f"{processes}_{step}"
        codes = cli_in_processes(arguments, folder, processes) if processes > 1 else [cli.main(arguments)]
        assert codes == [0 if step is None else 143] * processes
        assert _last(many)["global_step"] == (9 if step is None else step)
    _assert_close(_last(many), _last(tmp_path / "alone"))


def _last(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    return found


def _assert_close(one: dict[str, Any], other: dict[str, Any]) -> None:
    (key,) = [key for key in one["callbacks"] if key.startswith("TargetUpdate")]
    assert one["callbacks"][key] == other["callbacks"][key] == {"updates": 9}
    assert int(one["state_dict"]["queues.image.pointer"]) > 0
    assert one["lr_schedulers"] == other["lr_schedulers"]
    for name, value in other["state_dict"].items():
        assert value.numpy() == pytest.approx(one["state_dict"][name].numpy(), rel=1e-3, abs=1e-4), name
