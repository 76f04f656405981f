"""The average of the weights: its values, when it is evaluated, and that a resumed run keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from callbacks.training.divergence_checks import DivergenceChecks
from callbacks.training.weight_average import WeightAverage
from lightning_modules.resumed_checkpoint import check_resumed

State = dict[str, Tensor]


class Small(LightningModule):
    """Batch normalisation, a linear layer, and a counter that must not be averaged."""

    counter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))
        self.register_buffer("counter", torch.zeros((), dtype=torch.int64))
        with torch.no_grad():
            for value in self.layers[1].parameters():
                value.copy_(torch.linspace(-1, 1, value.numel()).view_as(value))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        self.counter += 1
        return {"loss": self.layers(batch["x"]).square().mean()}

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        self.layers(batch["x"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


class Notes(Callback):
    """Note the state after each step, during validation, and in it at its last hook of an epoch."""

    def __init__(self) -> None:
        self.steps: list[State] = []
        self.validated: list[State] = []

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *args: Any) -> None:
        self.steps.append(state(module))

    def on_validation_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.validated.append(state(module))


def state(module: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def loader(bad_row: bool = False) -> DataLoader[Any]:
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    if bad_row:
        x[5] = torch.nan
    rows = TensorDataset(x, torch.arange(12))

    def collate(samples: list[tuple[Tensor, ...]]) -> dict[str, Tensor]:
        columns = [torch.stack(column) for column in zip(*samples, strict=True)]
        return {"x": columns[0], "index": columns[1]}

    return DataLoader(rows, batch_size=2, collate_fn=collate)


def fit(
    folder: Path, *callbacks: Callback, ckpt_path: Path | None = None, bad_row: bool = False, **options: Any
) -> tuple[Trainer, Small]:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    options = {"max_epochs": 2, "accelerator": "cpu", "logger": False, **quiet, **options}
    trainer = Trainer(default_root_dir=folder, callbacks=list(callbacks), **options)
    module = Small()
    trainer.fit(module, loader(bad_row), loader(), ckpt_path=ckpt_path)
    return trainer, module


def averages(start: State, steps: list[State], decay: float) -> State:
    """Return the averages of floating-point values, and the latest of others."""
    mean = start
    for step in steps:
        mean = {
            name: decay * mean[name] + (1 - decay) * value if value.is_floating_point() else value
            for name, value in step.items()
        }
    return mean


@pytest.mark.parametrize("accumulated", [1, 3])
@pytest.mark.parametrize("first", [True, False])
def test_validation_and_the_trained_module_have_the_average(
    tmp_path: Path, first: bool, accumulated: int
) -> None:
    notes = Notes()
    order: list[Callback] = [WeightAverage(0.7), notes] if first else [notes, WeightAverage(0.7)]
    trainer, module = fit(tmp_path, *order, accumulate_grad_batches=accumulated)
    steps = notes.steps[accumulated - 1 :: accumulated]
    assert len(steps) == 12 // accumulated
    for number, seen in enumerate([*notes.validated[1:], state(module)], start=1):  # [0]: sanity check
        expected = averages(state(Small()), steps[: min(number, 2) * len(steps) // 2], 0.7)
        torch.testing.assert_close(seen, expected)
    assert not torch.equal(module.layers[1].weight, steps[-1]["layers.1.weight"])
    trained = state(module)
    trainer.validate(module, loader(), verbose=False)
    torch.testing.assert_close(state(module), trained)


def test_training_is_the_same_with_an_average(tmp_path: Path) -> None:
    with_average, without = Notes(), Notes()
    fit(tmp_path, WeightAverage(0.7), with_average)
    _, module = fit(tmp_path, without)
    torch.testing.assert_close(with_average.steps, without.steps, rtol=0, atol=0)
    _, plain = fit(tmp_path, WeightAverage(0))
    torch.testing.assert_close(state(plain), state(module))


class Saving(Callback):
    """Write a checkpoint after a step, in a validation and at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        trainer.save_checkpoint(self.folder / f"step{trainer.global_step}.ckpt")

    def on_validation_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        trainer.save_checkpoint(self.folder / f"validation{trainer.global_step}.ckpt")

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        trainer.save_checkpoint(self.folder / "end.ckpt")


def load(path: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(path, weights_only=True)
    return checkpoint


def test_checkpoints_hold_both_and_a_resumed_run_keeps_both(tmp_path: Path) -> None:
    notes = Notes()
    _, module = fit(tmp_path, WeightAverage(0.7), notes, Saving(tmp_path))
    averaged = load(tmp_path / "step12.ckpt")
    torch.testing.assert_close(averaged["state_dict"], state(module))
    assert averaged["current_model_state"].keys() == averaged["state_dict"].keys() - {
        "counter",
        "layers.0.num_batches_tracked",
    }
    for name, value in averaged["current_model_state"].items():
        assert torch.equal(value, notes.steps[-1][name])
    for other in ("validation12", "end"):
        for key in ("state_dict", "current_model_state"):
            torch.testing.assert_close(load(tmp_path / f"{other}.ckpt")[key], averaged[key], rtol=0, atol=0)
    again = tmp_path / "again"
    fit(again, WeightAverage(0.7), Saving(again), ckpt_path=tmp_path / "step6.ckpt")
    for key in ("state_dict", "current_model_state"):
        torch.testing.assert_close(load(again / "end.ckpt")[key], averaged[key], rtol=0, atol=0)


def test_an_average_starts_from_a_checkpoint_without_one(tmp_path: Path) -> None:
    fit(tmp_path, Saving(tmp_path))
    notes = Notes()
    _, module = fit(tmp_path, WeightAverage(0.7), notes, ckpt_path=tmp_path / "step6.ckpt")
    expected = averages(load(tmp_path / "step6.ckpt")["state_dict"], notes.steps, 0.7)
    torch.testing.assert_close(state(module), expected)


def test_a_run_without_the_callback_refuses_to_go_on_with_an_average(tmp_path: Path) -> None:
    trainer, _ = fit(tmp_path, WeightAverage(0.7), Saving(tmp_path))
    checkpoint = load(tmp_path / "step12.ckpt")
    check_resumed(trainer, checkpoint)
    with pytest.raises(ValueError, match=r"an average.*callbacks\.WeightAverage"):
        check_resumed(Trainer(accelerator="cpu", logger=False), checkpoint)


@pytest.mark.parametrize("first", [True, False])
def test_a_step_that_is_left_out_does_not_break_the_average(tmp_path: Path, first: bool) -> None:
    order: list[Callback] = [WeightAverage(0.7), DivergenceChecks("skip", num_samples=0)]
    _, module = fit(tmp_path, *(order if first else order[::-1]), bad_row=True, num_sanity_val_steps=0)
    assert all(value.isfinite().all() for value in module.state_dict().values())


def test_a_wrong_decay_is_named() -> None:
    with pytest.raises(ValueError, match=r"decay=1\.0 must be"):
        WeightAverage(1.0)
