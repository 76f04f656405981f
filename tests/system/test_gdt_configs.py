"""Run all configurations of GDT with tiny settings, and evaluate the demo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

import cli
from tests._helpers import dataset_folders as layouts
from tests._helpers.shrink import shrink
from tests.conftest import ROOT

CONFIGS = [ROOT / "configs" / "demo" / "gdt.yaml", *sorted((ROOT / "configs" / "recipes").glob("gdt_*.yaml"))]


@pytest.fixture(scope="module")
def roots(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    kinetics = layouts.class_folders(layouts.clips(tiny_root), tmp_path_factory.mktemp("kinetics"))
    return {"Embedded": tiny_root, "VGGSound": tiny_root, "Kinetics": kinetics}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}_{path.stem}")
def test_a_configuration_trains(
    path: Path,
    roots: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("datamodules.embedded.write_embedded", lambda *arguments: None)
    text = path.read_text()
    data = yaml.safe_load(text)["data"]["class_path"].removeprefix("datamodules.")
    options = [f"--config={path}", f"--config={shrink(path, tmp_path, 9)}"]
    options += [f"--data.init_args.root={roots[data]}", "--data.init_args.index_workers=0"]
    if "CachedReader" in text:
        options.append("--data.init_args.reader=unlabelled.data.media.PyAVReader")
    short = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2"]
    assert cli.main(["fit", *options, *short]) == 0
    trained = tmp_path / "checkpoints" / "last.ckpt"
    state = torch.load(trained, weights_only=True)
    assert state["global_step"] == 2
    assert {name.split(".")[1] for name in state["state_dict"] if "projectors" in name} == {"video", "audio"}
    if path.parent.name != "demo":
        return
    capsys.readouterr()
    assert cli.main(["test", *options, f"--ckpt_path={trained}"]) == 0
    table = capsys.readouterr().out
    assert all(title in table for title in ("pairs, test", "k-NN, test", "retrieval"))
