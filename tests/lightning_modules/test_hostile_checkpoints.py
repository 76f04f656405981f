"""A checkpoint runs nothing that it names, and one that is not as it should be is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_modules import SeLaVi, load_encoder
from tests.conftest import ROOT
from unlabelled.checkpoints import DATA_KEY

PIPELINE = {"class_path": "unlabelled.pipelines.AudioPipeline"}
SHIPPED = {"_class_path": "lightning_modules.SeLaVi"}


def _stored(tmp_path: Path, **content: Any) -> Path:
    path = tmp_path / "last.ckpt"
    data = {"class_path": "datamodules.Embedded", "init_args": {"root": "data", "pipeline": PIPELINE}}
    torch.save({"state_dict": {}, DATA_KEY: data, "hyper_parameters": SHIPPED, **content}, path)
    return path


def _pipeline(class_path: str, **init_args: Any) -> dict[str, Any]:
    return {DATA_KEY: {"init_args": {"pipeline": {"class_path": class_path, "init_args": init_args}}}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": [1]}, "it has no state_dict"),
        ({DATA_KEY: "text"}, "contains no pipeline"),
        ({DATA_KEY: {"class_path": "os.system", "init_args": [1]}}, "contains no pipeline"),
        (_pipeline("subprocess.Popen", args=["touch", "EXECUTED"]), "does not correspond to a subclass"),
        (_pipeline("os.system", command="touch EXECUTED"), "its SamplePipeline cannot be made"),
        ({DATA_KEY: {"init_args": {"pipeline": 7}}}, "its SamplePipeline cannot be made"),
        ({"hyper_parameters": [1]}, "its hyper_parameters are none that `fit` writes"),
        ({"hyper_parameters": {"_class_path": "os.system", "command": "touch EXECUTED"}}, "is no method"),
        ({"hyper_parameters": {"_class_path": "subprocess.Popen"}}, "is no method"),
        ({"hyper_parameters": {"_class_path": "nowhere.Method"}}, "there is no method"),
        ({"hyper_parameters": {"_class_path": 7}, "unlabelled": {"method": None}}, "there is no method"),
        ({"hyper_parameters": {**SHIPPED, "_instantiator": "os.system"}}, "are none that `fit` writes"),
    ],
)
def test_what_a_checkpoint_names_is_not_called(
    content: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.chdir(tmp_path)
    path = _stored(tmp_path, **content)
    with pytest.raises(ValueError, match=message):
        load_encoder(path)
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_method_is_created_by_the_function_of_lightning_alone(tmp_path: Path) -> None:
    path = _stored(tmp_path, hyper_parameters={**SHIPPED, "_instantiator": "os.system"})
    with pytest.raises(ValueError, match="is refused: its hyper_parameters"):
        SeLaVi.load_from_checkpoint(path, map_location="cpu")
