"""Action detection on an encoder: regions, losses, weights, and the protocol on a tiny set like AVA."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import cli
from lightning_modules import ActionDetector
from tests._helpers.ava_layout import ava
from tests._helpers.commands import save_encoders
from tests.conftest import ROOT
from unlabelled.encoders import Encoder, ResNet3D

SGD = partial(torch.optim.SGD, lr=0.01, weight_decay=0.1)


class Patches(Encoder):
    """The mean colour of each patch of 16x16 pixels."""

    modality, dim = "video", 3

    def feature_maps(self, inputs: Tensor) -> Tensor:
        return F.avg_pool3d(inputs, (1, 16, 16))


def detector(encoder: Encoder, **options: Any) -> ActionDetector:
    return ActionDetector(encoder, num_classes=3, optimizer=SGD, dropout=0.0, **options)


def test_the_feature_of_a_person_is_the_largest_in_its_box_of_the_mean_over_time() -> None:
    method = detector(Patches(), resolution=2)
    torch.nn.init.eye_(method.classifier.weight)
    video = torch.zeros(1, 3, 2, 64, 64)
    video[:, 0, 0, :32, :32] = 1.0  # red, upper left, in one of two frames
    video[:, 1, :, 32:, 32:] = 1.0  # green, lower right
    boxes = [torch.tensor([[0.0, 0.0, 32.0, 32.0], [32.0, 32.0, 64.0, 64.0]])]
    assert torch.allclose(method._logits(video, boxes), torch.tensor([[0.5, 0, 0], [0, 1, 0]]), atol=1e-6)
    with pytest.raises(ValueError, match=r"set --model\.init_args\.stride"):
        detector(Patches(), stride=8)._logits(video, boxes)


def test_the_last_stage_keeps_its_resolution_and_its_weights() -> None:
    torch.manual_seed(0)
    plain, dilated = ResNet3D(18), ResNet3D(18, last_stride=1, last_dilation=2)
    dilated.load_state_dict(plain.state_dict())
    clip = torch.randn(1, 3, 2, 64, 80)
    with torch.no_grad():
        maps = dilated.eval().feature_maps(clip)
    assert maps.shape == (1, 512, 2, 4, 5)
    assert dilated.trunk[-1][0].branch[0][0].dilation == (1, 2, 2)
    with (
        torch.no_grad()
    ):  # a dilated convolution of stride 1 has the outputs of the plain one between its own
        assert torch.allclose(maps[..., ::2, ::2], _of_even_positions(plain, clip), atol=1e-4)
    with pytest.raises(ValueError, match="last_stride=3 must be 1 or 2"):
        ResNet3D(18, last_stride=3)


def _of_even_positions(encoder: ResNet3D, clip: Tensor) -> Tensor:
    return encoder.eval().feature_maps(clip)


def test_persons_of_all_videos_are_trained_together_and_batchnorm_has_no_decay() -> None:
    torch.manual_seed(0)
    method = detector(Patches())
    logged = {}
    method.log = lambda name, value, **_: logged.update({name: value})  # type: ignore[method-assign]
    boxes, actions = torch.tensor([[0.0, 0.0, 20.0, 20.0]]), torch.tensor([[True, False, True]])
    batch: dict[str, Any] = {
        "video": [torch.randn(3, 1, 32, 32) for _ in range(2)],
        "target": [
            {"boxes": boxes, "actions": actions},
            {"boxes": boxes.repeat(2, 1), "actions": ~actions.repeat(2, 1)},
        ],
    }
    loss = method.training_step(batch, 0)["loss"]
    each = [
        method._logits(v[None], [t["boxes"]]) for v, t in zip(batch["video"], batch["target"], strict=True)
    ]
    truth = torch.cat([actions, ~actions.repeat(2, 1)]).float()
    assert torch.allclose(loss, F.binary_cross_entropy_with_logits(torch.cat(each), truth))
    norms = ActionDetector(ResNet3D(18), 3, SGD)
    norms._scale_learning_rate = lambda optimizer: None  # type: ignore[method-assign]
    assert [group["weight_decay"] for group in norms.build_optimizer().param_groups] == [0.1, 0.0]


def test_the_protocol_runs_and_perfect_scores_have_precision_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_encoders(tmp_path / "encoder.ckpt", ResNet3D(18))
    options = [
        f"--config={ROOT}/configs/protocols/finetune_ava.yaml",
        f"--config={ROOT}/configs/trainer/cpu.yaml",
        f"--data.init_args.root={ava(tmp_path / 'ava')}",
        "--data.init_args.train_detections=detected_train.csv",
        "--data.init_args.test_detections=detected_val.csv",
        "--data.init_args.num_actions=3",
        "--data.init_args.num_workers=0",
        "--data.init_args.index_workers=0",
        "--data.init_args.batch_size=2",
        "--data.init_args.pipeline.init_args.num_frames=2",
        "--data.init_args.pipeline.init_args.crop=32",
        "--data.init_args.pipeline.init_args.train_short_side=[40,48]",
        "--data.init_args.pipeline.init_args.eval_short_side=48",
        "--model.init_args.encoder.init_args.depth=18",
        "--model.init_args.num_classes=3",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.enable_progress_bar=false",
    ]
    encoder = f"--model.init_args.encoder_checkpoint={tmp_path}/encoder.ckpt"
    assert cli.main(["fit", *options, encoder, "--run=tiny", "--trainer.max_steps=1"]) == 0
    checkpoint = tmp_path / "tiny" / "checkpoints" / "last.ckpt"

    def perfect(_: ActionDetector, batch: Any) -> dict[str, Any]:
        return {"scores": [target["truth_actions"].float() for target in batch["target"]]}

    monkeypatch.setattr(ActionDetector, "evaluation_step", perfect)
    assert cli.main(["test", *options, f"--ckpt_path={checkpoint}"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "test/map " in line]
    assert "1.0" in line
