"""Run contrastive recipes and evaluation protocols with tiny settings through the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import cli
from datamodules import ESC50, HMDB51, UCF101
from datamodules.voc2007 import VOC_CLASSES
from tests._helpers import audio_files
from tests._helpers import dataset_folders as layouts
from tests._helpers.commands import command, save_encoders
from tests._helpers.shrink import shrink
from tests.conftest import ROOT
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder

RECIPES = [
    path
    for path in sorted((ROOT / "configs" / "recipes").glob("*.yaml"))
    if path.stem.startswith(("moco_", "ressl_", "sce_"))
]
DETECTION = {"finetune_ava", "finetune_coco"}  # of tests/lightning_modules/test_{action_,}detector.py
PROTOCOLS = sorted(
    path for path in (ROOT / "configs" / "protocols").glob("*.yaml") if path.stem not in DETECTION
)
VIDEO_SETS = {
    "Kinetics": layouts.class_folders,
    "KineticsSound": layouts.class_folders,
    "UCF101": layouts.ucf101,
    "HMDB51": layouts.hmdb51,
    "SomethingSomethingV2": layouts.something,
}

AUDIO_SETS = {"ESC50": audio_files.esc50, "DCASE2014": audio_files.dcase2014}


@pytest.fixture(scope="module")
def roots(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    clips = layouts.clips(tiny_root)
    found = {name: write(clips, tmp_path_factory.mktemp(name)) for name, write in VIDEO_SETS.items()}
    found |= {name: write(tmp_path_factory.mktemp(name)) for name, write in AUDIO_SETS.items()}
    found["VOC2007"] = layouts.voc2007(tmp_path_factory.mktemp("voc"), VOC_CLASSES)
    found["images"] = layouts.image_folders(tmp_path_factory.mktemp("images"))
    return found


@pytest.fixture(autouse=True)
def _few_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts.few_classes(monkeypatch, UCF101, HMDB51, ESC50)


def _tiny(path: Path, roots: dict[str, Path], out: Path) -> list[str]:
    """Return the options of a run of ``path``; a folder with few classes replaces image data sets."""
    name = yaml.safe_load(path.read_text())["data"]["class_path"].removeprefix("datamodules.")
    clips = name in VIDEO_SETS
    options = [f"--config={path}"]
    if name not in roots:
        options.append("--data=datamodules.ImageFolder")
    options += [
        f"--config={shrink(path, out, 3 if not clips else 32 if name.startswith('Kinetics') else 9)}",
        f"--data.init_args.root={roots.get(name, roots['images'])}",
    ]
    return options + (["--data.init_args.index_workers=0"] if clips or name in AUDIO_SETS else [])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_trains(recipe: Path, roots: dict[str, Path], tmp_path: Path) -> None:
    assert cli.main(["fit", *_tiny(recipe, roots, tmp_path), "--trainer.max_steps=2"]) == 0
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    content: dict[str, Any] = yaml.safe_load(recipe.read_text())
    pushed = 4 * (2 if content["model"]["init_args"]["symmetric"] else 1) * 2
    (pointer,) = [value for name, value in state["state_dict"].items() if name.endswith("pointer")]
    assert int(pointer) == pushed


@pytest.fixture(scope="module")
def checkpoints(
    roots: dict[str, Path], tiny_root: Path, tiny_overlay: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Return checkpoints of encoders: of images by MoCo, of videos by SeLaVi, and of frames and audio."""
    images, videos = tmp_path_factory.mktemp("moco"), tmp_path_factory.mktemp("selavi")
    recipe = ROOT / "configs" / "recipes" / "moco_cifar10.yaml"
    assert cli.main(["fit", *_tiny(recipe, roots, images), "--trainer.max_steps=1"]) == 0
    assert cli.main(command("fit", tiny_root, tiny_overlay, videos, "--trainer.max_steps=1")) == 0
    folders = {"image": images, "video": videos}
    found = {name: folder / "checkpoints" / "last.ckpt" for name, folder in folders.items()}
    found["frame"] = tmp_path_factory.mktemp("frames") / "last.ckpt"
    save_encoders(found["frame"], SmallImageEncoder(2), SmallAudioEncoder(2))
    return found


def _modality(protocol: Path) -> str:
    """Return the key of the checkpoint that a protocol evaluates."""
    if "FrameAndAudio" in protocol.read_text():
        return "frame"
    return "image" if re.search(r"ImageResNet|VGG16", protocol.read_text()) else "video"


def _printed_title(protocol: Path) -> str:
    """Return the title of the printed table."""
    if "AudioSVMEvaluation" in protocol.read_text():
        return "audio SVM, test"
    if "TransferEvaluation" in protocol.read_text():
        return "transfer, test"
    return "mAP" if "svm" in protocol.stem else "recall@1"


TRAINED = [path for path in PROTOCOLS if path.stem.startswith(("linear_", "finetune_"))]


@pytest.mark.parametrize("protocol", TRAINED, ids=lambda path: path.stem)
def test_a_protocol_with_training(
    protocol: Path, roots: dict[str, Path], checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    modality = _modality(protocol)
    options = _tiny(protocol, roots, tmp_path)
    options.append(f"--model.init_args.encoder_checkpoint={checkpoints[modality]}")
    assert cli.main(["fit", *options, "--trainer.max_steps=2"]) == 0
    trained = tmp_path / "checkpoints" / "last.ckpt"
    before = torch.load(checkpoints[modality], weights_only=True)["state_dict"]
    after = torch.load(trained, weights_only=True)["state_dict"]
    names = [name for name in after if name.startswith("encoders.")]
    encoder = yaml.safe_load(protocol.read_text())["model"]["init_args"]["encoder"]
    assert len({name.split(".")[1] for name in names}) == (len(encoder) if isinstance(encoder, list) else 1)
    same = all(torch.equal(before[name], after[name]) for name in names)
    assert same == protocol.stem.startswith(
        "linear_"
    )  # a linear probe changes neither weights nor statistics of the encoder
    assert cli.main(["test", *options, f"--ckpt_path={trained}"]) == 0


@pytest.mark.parametrize(
    "protocol", [path for path in PROTOCOLS if path not in TRAINED], ids=lambda path: path.stem
)
def test_a_protocol_without_training(
    protocol: Path,
    roots: dict[str, Path],
    checkpoints: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = _tiny(protocol, roots, tmp_path)
    options.append(f"--model.init_args.encoder_checkpoint={checkpoints[_modality(protocol)]}")
    assert cli.main(["test", *options]) == 0
    assert _printed_title(protocol) in capsys.readouterr().out
