"""Mask R-CNN on an encoder: what is trained, and what is measured; tiny images in the format of COCO."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

import cli
from datamodules import COCO
from lightning_modules import Detector
from tests._helpers.coco_layout import coco
from tests._helpers.commands import save_encoders
from tests.conftest import ROOT
from unlabelled.encoders import ImageResNet
from unlabelled.encoders.mask_rcnn import short_sides

SGD = partial(torch.optim.SGD, lr=0.01, weight_decay=0.1)
SIZES: dict[str, Any] = {"train_short_sides": (64, 72), "eval_short_side": 64, "max_side": 96}


def detector(**options: Any) -> Detector:
    return Detector(ImageResNet(18), num_classes=2, optimizer=SGD, **{**SIZES, **options})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return coco(tmp_path_factory.mktemp("coco"))


@pytest.mark.parametrize("architecture", ["c4", "fpn"])
def test_all_parts_learn_and_objects_have_boxes_and_masks(architecture: Any, root: Path) -> None:
    torch.manual_seed(0)
    method, data = detector(architecture=architecture), COCO(str(root), batch_size=2, num_workers=0)
    method.log = lambda *_, **__: None  # type: ignore[method-assign]
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    method.training_step(batch, 0)["loss"].backward()
    without = [name for name, value in method.named_parameters() if value.grad is None]
    assert without == []
    names = set(dict(method.named_parameters()))
    assert {"encoders.image.trunk.0.weight", "encoders.image.trunk.7.0.conv1.weight"} <= names
    assert not any(name.startswith("detector.backbone") and "trunk" in name for name in names)
    with torch.no_grad():
        (found, *_) = method.eval().evaluation_step(batch)["detections"]
    assert found.keys() == {"boxes", "labels", "scores", "masks"}


def test_the_fourth_stage_is_the_head_of_c4_and_is_shared() -> None:
    method = detector()
    heads = method.detector.roi_heads
    assert heads.mask_head[0] is method.encoders["image"].trunk[7]
    assert heads.box_head[0] is heads.mask_head
    with pytest.raises(ValueError, match="stem for large images"):
        Detector(ImageResNet(18, small_images=True), 2, SGD)


def test_batchnorm_has_no_decay() -> None:
    method = detector()
    method._scale_learning_rate = lambda optimizer: None  # type: ignore[method-assign]
    rest, norms = method.build_optimizer().param_groups
    assert (rest["weight_decay"], norms["weight_decay"]) == (0.1, 0.0)
    assert {value.ndim for value in norms["params"]} == {1}
    assert len(rest["params"]) + len(norms["params"]) == len(list(method.parameters()))


def test_the_side_of_evaluation_is_the_last_one() -> None:
    assert short_sides([640, 800, 880], 800) == (640, 880, 800)
    with pytest.raises(ValueError, match="eval_short_side=600 must be one of"):
        short_sides([640], 600)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: Any) -> None:
        raise ModuleNotFoundError("faster_coco_eval")

    monkeypatch.setattr("lightning_modules.detector.MeanAveragePrecision", missing)
    method = detector()
    method._trainer = type("Trainer", (), {"ckpt_path": None, "datamodule": None})()
    with pytest.raises(MisconfigurationException, match="pip install faster-coco-eval"):
        method.setup("test")


def perfect(batch: dict[str, Any]) -> list[dict[str, torch.Tensor]]:
    """Return the objects of a batch as detections."""
    return [
        {
            "boxes": target["boxes"],
            "labels": target["labels"],
            "scores": torch.ones(len(target["labels"])),
            "masks": target["masks"][:, None].float(),
        }
        for target in batch["target"]
    ]


def test_the_protocol_runs_and_perfect_detections_have_precision_one(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("faster_coco_eval")
    save_encoders(tmp_path / "encoder.ckpt", ImageResNet(18))
    options = [
        f"--config={ROOT}/configs/protocols/finetune_coco.yaml",
        f"--config={ROOT}/configs/trainer/cpu.yaml",
        f"--data.init_args.root={root}",
        "--data.init_args.num_workers=0",
        "--model.init_args.encoder.init_args.depth=18",
        "--model.init_args.num_classes=2",
        "--model.init_args.train_short_sides=[64]",
        "--model.init_args.eval_short_side=64",
        "--model.init_args.max_side=96",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.max_steps=1",
        "--trainer.enable_progress_bar=false",
    ]
    encoder = f"--model.init_args.encoder_checkpoint={tmp_path}/encoder.ckpt"
    assert cli.main(["fit", *options, encoder, "--run=tiny"]) == 0
    checkpoint = tmp_path / "tiny" / "checkpoints" / "last.ckpt"
    monkeypatch.setattr(Detector, "evaluation_step", lambda _, batch: {"detections": perfect(batch)})
    assert cli.main(["test", *options, f"--ckpt_path={checkpoint}"]) == 0
    output = capsys.readouterr().out
    for name in ("box_ap", "mask_ap"):
        (line,) = [line for line in output.splitlines() if f"test/{name} " in line]
        assert "1.0" in line
