"""A training step of any method never waits for a GPU, which would otherwise idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning import Callback, LightningModule, Trainer

import callbacks
import cli
from callbacks.training import clustering_pass
from callbacks.training.divergence_checks import check_finite
from tests._helpers.demos import add_callbacks, few_steps, one_demo_of_each_method
from tests._helpers.synchronisations import Synchronisations
from unlabelled.transforms import augmentation

ALLOWED = (
    "callbacks/training/stop_at_signal.py",  # with GPUs in steps that are logged only
    "(_cluster_weights)",  # of the table on the CPU, once after a pass
)
STILL_WAITING = {"sspc": ("anchor_objective", "multi_sinkhorn")}  # to assign anchors


class Watch(Callback):
    """Watch the steps, from the batch on the device to the last callback, but not the clustering passes."""

    def __init__(self) -> None:
        self.steps: list[list[str]] = []
        self._now: Synchronisations | None = None

    def begin(self) -> None:
        self._now = Synchronisations()
        self._now.__enter__()

    def end(self, counts: bool) -> None:
        assert self._now is not None
        self._now.__exit__()
        if counts:
            self.steps.append(self._now.found)
        self._now = None

    def pause(self, work: Any, *args: Any) -> Any:
        if self._now is None:
            return work(*args)
        self._now.__exit__()
        try:
            return work(*args)
        finally:
            self._now.__enter__()


class First(Callback):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_train_batch_start(self, *args: Any) -> None:
        self._watch.begin()


class Last(Callback):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """In the first step of an epoch data may be checked, in the last one sums are logged."""
        step: Any = args[-1]
        self._watch.end(step > 0 and not trainer.is_last_batch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch, run = Watch(), callbacks.ClusteringPass.run
    transfer = LightningModule._apply_batch_transfer_handler

    def watched_transfer(module: Any, *args: Any, **kwargs: Any) -> Any:
        with Synchronisations() as found:
            batch = transfer(module, *args, **kwargs)
        watch.steps.append(found.found)
        return batch

    add_callbacks(monkeypatch, [First(watch)], [Last(watch)])
    monkeypatch.setattr(LightningModule, "_apply_batch_transfer_handler", watched_transfer)
    monkeypatch.setattr(callbacks.ClusteringPass, "run", lambda *args: watch.pause(run, *args))
    monkeypatch.setattr(clustering_pass, "check_finite", lambda *args: watch.pause(check_finite, *args))
    monkeypatch.setattr(augmentation, "_selected", augmentation._masked)  # as on a GPU
    return watch


@pytest.mark.parametrize("demo", one_demo_of_each_method(), ids=lambda path: path.stem)
def test_a_step_waits_for_nothing(demo: Path, data: Path, watch: Watch, tmp_path: Path) -> None:
    assert cli.main(few_steps(demo, data, tmp_path, 3)) == 0
    assert len(watch.steps) >= 4  # three batches that were moved to the device, and a step
    allowed = (*ALLOWED, *STILL_WAITING.get(demo.stem, ()))
    found = {each for step in watch.steps for each in step if not any(part in each for part in allowed)}
    assert sorted(found) == []


def test_what_waits_is_found() -> None:
    import torch

    values = torch.arange(4.0)
    with Synchronisations() as waits:
        values[values > 1].sum().item()
        values.cpu()
    operations = [each.split()[0] for each in waits.found]
    assert operations == ["index", "_local_scalar_dense", "cpu"]
