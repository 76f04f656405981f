"""Networks of other libraries by name, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import cli
from tests._helpers.small_page import page_data, write_file
from unlabelled.__main__ import run_tool
from unlabelled.commands.discover import weights
from unlabelled.commands.discover.contents import Contents
from unlabelled.commands.discover.library import library_network, predict_options

VIDEOS = Contents("v", "videos", 40, (4.0,) * 40)


def in_process(name: str, options: Sequence[str]) -> int:
    return cli.main([name, *options, "--trainer.enable_progress_bar=false"])


def test_a_page_of_the_features_of_a_network_of_timm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timm = pytest.importorskip("timm")
    monkeypatch.setattr(weights, "run_cli", in_process)
    (tmp_path / "files").mkdir()
    for number in range(12):
        write_file(tmp_path / "files" / f"{number}.png", 20 * number)
    torch.save(timm.create_model("test_resnet", num_classes=0).state_dict(), tmp_path / "weights.pth")
    given = f"timm:test_resnet:{tmp_path / 'weights.pth'}"
    arguments = ["discover", str(tmp_path / "files"), "--weights", given, f"--out={tmp_path / 'out'}"]
    assert run_tool([*arguments, "--clusters=3"], "unlabelled") == 0
    text = capsys.readouterr().out
    assert "12 images" in text
    data = page_data(tmp_path / "out")
    assert (len(data["names"]), data["clusters"]) == (12, 3)
    assert list(data["modalities"]) == ["image"]


def test_the_input_is_that_of_the_weights(capsys: pytest.CaptureFixture[str]) -> None:
    network = library_network("torchvision:r3d_18")
    assert network is not None
    with pytest.raises(SystemExit) as stop:
        cli.main(["predict", *predict_options(network, VIDEOS, 7, Path("out")), "--print_config"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for line in ("num_clusters: 7", "name: r3d_18", "weights: DEFAULT", "eval_crop: 112", "- 0.43216"):
        assert line in text


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="torchvision has no network 'resnet19'"):
        library_network("torchvision:resnet19")
    with pytest.raises(FileNotFoundError, match=r"there is no file gone\.pth"):
        library_network("torchvision:resnet18:gone.pth")
    assert library_network("C:\\runs\\last.ckpt") is None
    network = library_network("torchvision:resnet18")
    assert network is not None
    with pytest.raises(ValueError, match="torchvision:resnet18 reads images, but v has videos"):
        predict_options(network, VIDEOS, 7, Path("out"))
