"""SCE through the command line: two processes equal one; a resumed run equals an uninterrupted one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import cli
from tests._helpers import dataset_folders as layouts
from tests._helpers.shrink import shrink
from tests._helpers.two_processes import cli_in_processes
from tests.conftest import ROOT

RECIPE = ROOT / "configs" / "recipes" / "sce_cifar10.yaml"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layouts.image_folders(tmp_path_factory.mktemp("images"), classes=3, per_class=8)


def _fit(images: Path, out: Path, *more: str) -> list[str]:
    return [
        "fit",
        f"--config={RECIPE}",
        "--data=datamodules.ImageFolder",
        f"--config={shrink(RECIPE, out, 3)}",
        f"--data.init_args.root={images}",
        "--model.init_args.optimizer.init_args.lr=0.5",
        "--model.init_args.symmetric=true",
        *more,
    ]


def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


def test_two_processes_have_the_queue_and_losses_of_one(images: Path, tmp_path: Path) -> None:
    options = [
        "--model.init_args.encoder=tests._helpers.norm_free.NormFreeEncoder",
        "--model.init_args.projector.init_args.norm=none",
        "--model.init_args.shuffle_bn=null",
        "--model.init_args.queue_size=64",
        "--trainer.max_epochs=2",
    ]
    one, two = tmp_path / "one", tmp_path / "two"
    assert cli.main(_fit(images, one, *options, "--data.init_args.batch_size=8")) == 0
    spread = ["--config=configs/trainer/cpu_ddp2.yaml", "--data.init_args.batch_size=4"]
    assert cli_in_processes(_fit(images, two, *options, *spread), tmp_path / "ranks", 2) == [0, 0]
    alone, spread_out = (_load(out / "checkpoints" / "last.ckpt") for out in (one, two))
    assert alone["global_step"] == spread_out["global_step"] == 6
    assert alone["state_dict"].keys() == spread_out["state_dict"].keys()
    pushed = 6 * 2 * 8
    assert int(alone["state_dict"]["queues.image.pointer"]) == pushed % 64
    for name, value in alone["state_dict"].items():
        torch.testing.assert_close(spread_out["state_dict"][name], value, atol=2e-5, rtol=1e-4)
    assert len(_losses(one)) == 6
    assert _losses(one) == pytest.approx(_losses(two), abs=1e-5)


def _losses(out: Path) -> list[float]:
    """Return the logged loss of each step, which is the mean over all processes."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (out / "log").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    return [event.value for event in events.Scalars("train/loss")]


def test_a_resumed_run_equals_an_uninterrupted_one(images: Path, tmp_path: Path) -> None:
    def fit(out: Path, *more: str) -> None:
        overlay = _saving_each_step(out)
        options = ["--trainer.max_epochs=3", "--data.init_args.batch_size=4"]
        assert cli.main([*_fit(images, out, *options), f"--config={overlay}", *more]) == 0

    fit(tmp_path / "whole")
    whole = _load(tmp_path / "whole" / "steps" / "step=18.ckpt")
    for step in (6, 9):  # the end of an epoch, and its middle
        out = tmp_path / f"from{step}"
        fit(out, f"--ckpt_path={tmp_path / 'whole' / 'steps' / f'step={step}.ckpt'}")
        resumed = _load(out / "steps" / "step=18.ckpt")
        for name, value in whole["state_dict"].items():
            assert torch.equal(resumed["state_dict"][name], value), (step, name)
        assert resumed["lr_schedulers"][0]["last_epoch"] == whole["lr_schedulers"][0]["last_epoch"]
        (key,) = [key for key in whole["callbacks"] if key.startswith("TargetUpdate")]
        assert resumed["callbacks"][key] == whole["callbacks"][key] == {"updates": 18}


def _saving_each_step(out: Path) -> Path:
    callbacks = yaml.safe_load(shrink(RECIPE, out, 3).read_text())["trainer"]["callbacks"]
    each = {"filename": "{step}", "every_n_train_steps": 1, "save_top_k": -1}
    callbacks[-1]["init_args"] = {"dirpath": str(out / "steps"), **each}
    overlay = out / "callbacks.yaml"
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}))
    return overlay
