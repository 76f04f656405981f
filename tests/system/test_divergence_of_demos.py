"""Every demo notices what breaks it: its own method, data, pipeline and callbacks, in one step.

Each fault is made on purpose in a run of the real configuration, and must be named by ``DivergenceChecks``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning import Callback
from torch import Tensor

import cli
from callbacks import DivergenceChecks, SeededSteps
from callbacks.training.divergence_checks import DivergedError
from callbacks.training.finite_state import running_statistics
from tests.conftest import ROOT
from unlabelled.contracts import Clusterable, HasQueues
from unlabelled.data.datasets.samples import SampleDataset, _floating

DEMOS = sorted((ROOT / "configs" / "demo").glob("*.yaml"))
SMALL = {
    "Embedded": ["train_per_class=3", "test_per_class=1"],
    "DrawnImages": ["train_per_class=4", "val_per_class=1"],
    "EmbeddedFeatures": ["train_per_class=3", "test_per_class=1", "train_videos=24", "test_videos=4"],
}


class Built(cli.CLI):
    """The objects of a run that was not started."""

    def _run_subcommand(self, subcommand: str) -> None:
        pass


class Inputs:
    """Change what a data set reads: ``as_read``, ``nan`` in every second row, or ``constant``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mode, self.monkeypatch, self.has_nan = "as_read", monkeypatch, False

    def change(self, data: type[SampleDataset]) -> None:
        read = data.read

        def changed(dataset: SampleDataset, row: int, rng: Any) -> dict[str, Any]:
            sample = read(dataset, row, rng)
            if self.mode == "constant":
                return {name: _filled(value, 0) for name, value in sample.items()}
            if self.mode == "nan" and row % 2 == 0:
                sample = {name: _filled(value, torch.nan) for name, value in sample.items()}
                self.has_nan |= any(bool(each.isnan().any()) for each in _floating(sample))
            return sample

        self.monkeypatch.setattr(data, "read", changed)


def _filled(value: Any, number: float) -> Any:
    """Fill all images, waveforms, spectrograms and features; those of integers have no NaN."""
    if isinstance(value, Tensor) and value.ndim > 1 and value.dtype != torch.bool:
        return torch.full_like(value, number) if value.is_floating_point() or number == 0 else value
    if isinstance(value, dict):
        return {name: _filled(each, number) for name, each in value.items()}
    return [_filled(each, number) for each in value] if isinstance(value, list) else value


class Faults(Callback):
    """Make the loss infinite in the first step, and each other fault after it; collect what is found."""

    def __init__(self, checks: DivergenceChecks, inputs: Inputs, caplog: pytest.LogCaptureFixture) -> None:
        self.checks, self.inputs, self.caplog = checks, inputs, caplog
        self.found: dict[str, str] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        step = pl_module.training_step

        def infinite(batch: Any, batch_idx: int) -> Any:
            out = step(batch, batch_idx)
            return {**out, "loss": out["loss"] * torch.inf} if isinstance(out, dict) else out * torch.inf

        pl_module.training_step = infinite
        self.inputs.change(type(trainer.datamodule.dataset("train", train=True)))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.checks.check_weights(trainer, pl_module)  # it reads the flags of the step
        self.found["step"] = self.caplog.text
        for name, undo in self._faults(pl_module):
            self.caplog.clear()
            self.checks._finding = ""
            try:
                self.checks.check_weights(trainer, pl_module)
                self.checks.on_train_epoch_end(trainer, pl_module)
                self.found[name] = self.caplog.text
            except DivergedError as error:
                self.found[name] = str(error)
            undo()

    def _faults(self, module: Any) -> Iterator[tuple[str, Any]]:
        """Make one fault after the other; yield its name and what undoes it."""
        yield "none", lambda: None
        self.inputs.mode = "nan"
        yield "nan", lambda: setattr(self.inputs, "mode", "as_read")
        self.inputs.mode = "constant"
        yield "constant inputs", lambda: setattr(self.inputs, "mode", "as_read")
        embed = module.embed
        module.embed = lambda batch: {name: torch.ones_like(each) for name, each in embed(batch).items()}
        yield "constant features", lambda: setattr(module, "embed", embed)
        tensors = {"weight": next(p for p in module.parameters() if p.requires_grad)}
        if statistics := running_statistics(module):
            tensors["statistic"] = next(iter(statistics.values()))
        for name, tensor in tensors.items():
            yield name, _fill(tensor.data[(0,) * tensor.ndim], torch.nan)
        if isinstance(module, Clusterable):
            yield "one label", _fill(module.pseudo_labels.table, 0)
        if isinstance(module, HasQueues):
            rows = next(iter(module.queues.values())).rows
            yield "equal rows", _fill(rows, 1)
            yield "queue", _fill(rows[0, 0], torch.inf)


def _fill(tensor: Tensor, number: float) -> Any:
    before = tensor.clone()
    tensor.fill_(number)
    return lambda: tensor.copy_(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def build(demo: Path, data: Path, out: Path) -> Built:
    content = yaml.safe_load(demo.read_text())["data"]
    roots = {key: Path(value).name for key, value in content["init_args"].items() if key.endswith("root")}
    small = SMALL[content["class_path"].removeprefix("datamodules.")]
    return Built(
        [
            *("fit", f"--config={demo}", *(f"--data.init_args.{each}" for each in small)),
            *(f"--data.init_args.{key}={data / name}" for key, name in roots.items()),
            *("--data.init_args.num_workers=0", "--data.init_args.batch_size=8", "--trainer.max_steps=1"),
            *("--trainer.limit_val_batches=0", "--trainer.logger=false"),
            *("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
            *(
                ["--model.init_args.encoder_checkpoint=null"]
                if "encoder_checkpoint" in demo.read_text()
                else []
            ),
            *("--divergence.on_divergence=skip", f"--trainer.default_root_dir={out}"),
        ]
    )


@pytest.mark.parametrize("demo", DEMOS, ids=lambda path: path.stem)
def test_a_demo_notices_what_breaks_it(
    demo: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = build(demo, data, tmp_path)
    module: Any = run.model
    trainer: Any = run.trainer
    (checks,) = (each for each in trainer.callbacks if isinstance(each, DivergenceChecks))
    needed = [each for each in trainer.callbacks if hasattr(each, "serves") or isinstance(each, SeededSteps)]
    faults = Faults(checks, Inputs(monkeypatch), caplog)
    trainer.callbacks[:] = [faults, *needed, checks]
    with caplog.at_level("WARNING"):
        trainer.fit(module, datamodule=run.datamodule)
    found = faults.found
    assert "the loss of step 0 is not finite" in found["step"]
    assert found["none"] == ""
    assert ("replaced by another sample" in found["nan"]) == faults.inputs.has_nan  # images have no NaN
    for modality in module.encoders:
        equal = rf"the {modality} features of \d+ different samples are equal"
        constant = rf"the {modality} of all \d+ samples that were checked is constant|{equal}"
        assert re.search(constant, found["constant inputs"])
    assert re.search(r"the \S+ features of \d+ different samples are equal", found["constant features"])
    expected = {"weight": "is not finite after", "statistic": "running_", "queue": "queues."}
    expected |= {"one label": "have one pseudo-label", "equal rows": "rows of the queue"}
    assert not [name for name, text in expected.items() if name in found and text not in found[name]]
    assert ("one label" in found) == isinstance(module, Clusterable)
    assert ("equal rows" in found) == isinstance(module, HasQueues)
