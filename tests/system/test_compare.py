"""The configurations of the comparison: methods of each kind train and are evaluated, with tiny clips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests._helpers.compare_folders import tiny
from unlabelled.commands.compare.plan import Plan
from unlabelled.commands.compare.table import columns
from unlabelled.commands.compare.worker import Run


@pytest.fixture(scope="module")
def plan(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return Plan(tiny(tiny_root, tmp_path_factory.mktemp("compare") / "configs"))


@pytest.fixture(autouse=True)
def _existing_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tiny clips: the data module would replace them by longer and larger ones."""
    monkeypatch.setattr("datamodules.embedded.write_embedded", lambda *arguments: None)


def _run(plan: Plan, name: str, folder: Path) -> Run:
    return Run(plan, plan.method(name), 1, folder)


@pytest.mark.parametrize("name", ["cdc", "deepcluster_v2", "gdt", "moco", "shhc"])
def test_a_method_trains(name: str, plan: Plan, tmp_path: Path) -> None:
    run = _run(plan, name, tmp_path)
    assert run._fit() > 0
    checkpoint = torch.load(run.checkpoint, weights_only=True)
    assert checkpoint["global_step"] == 2
    encoders = {key.split(".")[1] for key in checkpoint["state_dict"] if key.startswith("encoders.")}
    assert encoders == set(run.method.modalities)


AUDIO = {"NMI: audio", "k-NN: audio", "linear: audio", "R@1: audio"}
ALL = AUDIO | {"NMI: video", "k-NN: video", "linear: video", "R@1: video", "NMI: both", "linear: both"}
FILLED = {
    "untrained": ALL,
    "sela_audio": AUDIO | {"own clusters, NMI", "s / epoch"},
    "dmc": ALL | {"cIoU", "centred box, cIoU", "s / epoch"},
}


@pytest.mark.parametrize("name", FILLED)
def test_a_method_is_evaluated_by_all_protocols(name: str, plan: Plan, tmp_path: Path) -> None:
    run = _run(plan, name, tmp_path)
    result = run.complete()
    values = {column.title: column.value(result) for column in columns(plan.epochs)}
    assert {title for title, value in values.items() if value is not None} == FILLED[name] | {"s in total"}
    scores = [values[title] for title in FILLED[name] - {"s / epoch"}]
    assert all(0 <= score <= 1 for score in scores if score is not None)
    assert run.complete() == result
