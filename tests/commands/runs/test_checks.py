"""Mistakes of a run are found before its data are read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from lightning import Callback
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint

import callbacks
import lightning_modules
from tests._helpers.parsing import ROOT
from unlabelled.commands.runs.checks import check_accelerator, check_monitors


class Own(Callback):
    """A callback of a user that may log anything."""


class Listed(Callback):
    """A callback of a user that lists what it logs."""

    logs = ("val/mine_*",)


def check(monitor: str | None, *others: Any, method: Any = None) -> None:
    method = lightning_modules.SeLaVi.__new__(lightning_modules.SeLaVi) if method is None else method
    check_monitors(method, [*others, ModelCheckpoint(monitor=monitor)])


def test_monitors() -> None:
    evaluation = callbacks.ClusterEvaluation.__new__(callbacks.ClusterEvaluation)
    for monitor in ("val/loss", "val/nmi", "val/nmi_mean", "val/nmi_video", "train/loss_audio", "step", None):
        check(monitor, evaluation)
    check("val/nmi/dataloader_idx_1", evaluation)
    check("lr-AdamW", LearningRateMonitor())
    with pytest.raises(ValueError, match=r"monitors 'val/los', .* did you mean val/loss\?"):
        check("val/los", evaluation)
    with pytest.raises(ValueError, match="EarlyStopping monitors 'val/loss', which this run does not log"):
        check(None, EarlyStopping("val/loss"))
    check("anything", Own())
    check("val/mine_1", Listed())
    with pytest.raises(ValueError, match="monitors 'val/mine'"):
        check("val/mine", Listed())


def test_a_method_of_a_user_may_log_anything() -> None:
    class Method(lightning_modules.SeLaVi):
        pass

    check("anything", method=Method.__new__(Method))


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*/*.yaml")), ids=lambda path: path.stem)
def test_what_shipped_configurations_monitor_is_logged(path: Path) -> None:
    content = yaml.safe_load(path.read_text()) or {}
    listed = content.get("trainer", {}).get("callbacks", [])
    monitors = [spec["init_args"]["monitor"] for spec in listed if "monitor" in spec.get("init_args", {})]
    if not monitors or "model" not in content:
        return
    classes = [content["model"]["class_path"].rpartition(".")[2]]
    method = getattr(lightning_modules, classes[0])
    own = [
        spec["class_path"].partition(".")[2] for spec in listed if spec["class_path"].startswith("callbacks.")
    ]
    others = [getattr(callbacks, name) for name in own]
    for monitor in monitors:
        check(monitor, *(cls.__new__(cls) for cls in others), method=method.__new__(method))


@pytest.mark.parametrize(
    ("accelerator", "devices", "count", "words"),
    [
        ("gpu", "auto", 0, "trainer.accelerator: 'gpu', but torch finds no GPU"),
        ("cuda", 1, 0, "trainer.accelerator: 'cuda', but torch finds no GPU"),
        ("gpu", 4, 2, "trainer.devices: 4, but torch finds 2 GPUs"),
        ("gpu", "4", 2, "trainer.devices: 4, but torch finds 2 GPUs"),
        ("gpu", 2, 2, None),
        ("gpu", [0, 1], 2, None),
        ("auto", 4, 0, None),
        ("cpu", 4, 0, None),
    ],
)
def test_devices(
    accelerator: str, devices: Any, count: int, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    trainer = SimpleNamespace(accelerator=accelerator, devices=devices)
    if words is None:
        check_accelerator(trainer)
    else:
        with pytest.raises(ValueError, match=words):
            check_accelerator(trainer)
