"""Steps of every method give the same loss and the same weights on the processor and on a GPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

import cli
from tests._helpers.demos import add_callbacks, few_steps, one_demo_of_each_method

GPU = torch.cuda.is_available()
pytestmark = pytest.mark.skipif(
    not GPU and not os.environ.get("UNLABELLED_GPU_TESTS"),
    reason="there is no GPU; with UNLABELLED_GPU_TESTS=1 the processor is compared with itself",
)
STEPS = 2
LOSS = {"32-true": 1e-3, "bf16-mixed": 0.1}
"""Largest difference of the losses, as a share."""
MOVED = {"32-true": 0.1, "bf16-mixed": 1.0}
"""Largest distance of the changes of the weights, as a share.

The first steps of AdamW are signs, of which rounding turns those of small gradients; those of unrelated
gradients have a distance of 1.4.
"""


class Recorder(Callback):
    """Record losses and the change of the weights; without dropout, which devices draw differently."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.moved = torch.empty(0)
        self._start = torch.empty(0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for part in pl_module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        self._start = _weights(pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *args: Any
    ) -> None:
        self.losses.append(float(outputs["loss"]))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.moved = _weights(pl_module) - self._start


def _weights(module: LightningModule) -> Tensor:
    return torch.cat([each.detach().cpu().double().flatten() for each in module.parameters()])


def trained(demo: Path, data: Path, folder: Path, accelerator: str, precision: str) -> Recorder:
    recorder = Recorder()
    options = [f"--trainer.accelerator={accelerator}", f"--trainer.precision={precision}"]
    with pytest.MonkeyPatch.context() as patch:
        add_callbacks(patch, [], [recorder])
        assert cli.main([*few_steps(demo, data, folder, STEPS), *options]) == 0
    assert len(recorder.losses) == STEPS
    return recorder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.parametrize("demo", one_demo_of_each_method(), ids=lambda path: path.stem)
def test_steps_on_the_device(demo: Path, data: Path, tmp_path: Path) -> None:
    reference = trained(demo, data, tmp_path, "cpu", "32-true")
    for precision in ("32-true", "bf16-mixed"):
        found = trained(demo, data, tmp_path, "gpu" if GPU else "cpu", precision)
        assert found.losses == pytest.approx(reference.losses, rel=LOSS[precision])
        assert float((found.moved - reference.moved).norm() / reference.moved.norm()) < MOVED[precision]
