"""DMC and L3-Net through the command line: all configurations with tiny settings, on clips with boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import cli
from tests._helpers.audio_files import write_tone
from tests.conftest import ROOT
from tests.datamodules.test_flickr_soundnet import annotation, write_image

CONFIGS = [
    ROOT / "configs" / path
    for path in (
        "demo/dmc.yaml",
        "demo/l3.yaml",
        "recipes/dmc_flickr.yaml",
        "recipes/dmc_supervised_flickr.yaml",
        "recipes/l3_flickr.yaml",
        "recipes/simplified_dmc_music.yaml",
    )
]


@pytest.fixture(autouse=True)
def _existing_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tiny clips: the data module would replace them by longer and larger ones."""
    monkeypatch.setattr("datamodules.embedded.write_embedded", lambda *arguments: None)


def _tiny(path: Path, root: Path, out: Path, data: str = "Embedded") -> list[str]:
    content = yaml.safe_load(path.read_text())
    pipeline = content["data"]["init_args"]["pipeline"]["init_args"]
    small: dict[str, Any] = {"size": 16, "audio": {"init_args": {"num_frames": 40}}}
    if pipeline.get("crop"):
        small["crop"] = {"init_args": {"size": 16, "resize": 20}}
    for callback in content["trainer"]["callbacks"]:
        if callback["class_path"].endswith("ModelCheckpoint"):
            callback["init_args"]["dirpath"] = str(out)
        if callback["class_path"].endswith("Localisation"):
            callback.setdefault("init_args", {}).update(size=20, num_drawn_clips=2)
    overlay = {
        "model": {
            "init_args": {
                "visual_encoder": _encoder("SmallVGG"),
                "audio_encoder": _encoder("SmallAudioEncoder"),
            }
        },
        "data": {
            "class_path": f"datamodules.{data}",
            "init_args": {
                "root": str(root),
                "batch_size": 6,
                "eval_batch_size": 8,
                "num_workers": 0,
                "reader": {"class_path": "unlabelled.data.media.PyAVReader"},
                "pipeline": {"init_args": small},
            },
        },
        "trainer": {
            "max_epochs": 1,
            "limit_train_batches": 2,
            "check_val_every_n_epoch": 1,
            "enable_progress_bar": False,
            "log_every_n_steps": 1,
            "default_root_dir": str(out),
            "logger": {"init_args": {"save_dir": str(out)}},
            "callbacks": content["trainer"]["callbacks"],
        },
    }
    target = out / "tiny.yaml"
    target.write_text(yaml.safe_dump(overlay))
    return [f"--config={path}", "--config=configs/trainer/cpu.yaml", f"--config={target}"]


def _encoder(name: str) -> dict[str, Any]:
    return {"class_path": f"unlabelled.encoders.{name}", "init_args": {"width": 2}}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_trains_and_is_tested(
    path: Path, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = _tiny(path, tiny_root, tmp_path)
    assert cli.main(["fit", *options]) == 0
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    capsys.readouterr()
    if path.stem == "simplified_dmc_music":
        options.append("--trainer.callbacks+=callbacks.MultiSourceLocalisation")
    assert cli.main(["test", *options, f"--ckpt_path={tmp_path / 'last.ckpt'}"]) == 0
    table = capsys.readouterr().out
    assert "pairs, test" in table
    assert ("several sound sources, test" in table) == (path.stem == "simplified_dmc_music")
    assert ("cIoU, test" in table) == ("dmc" in path.stem)
    drawn = {path.stem for path in tmp_path.rglob("*.png")}
    assert ("localisation_overlays" in drawn) == ("dmc" in path.stem)


def test_a_recipe_on_flickrs_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "flickr"
    for number in range(20):
        write_image(root / "Data" / f"{number}.jpg", 10 * number)
        write_tone(root / "Data" / f"{number}.wav", 300 + 50 * number, seconds=1.5)
        if number >= 14:
            annotation(root / "Annotations" / f"{number}.xml")
    (root / "Flickr_train_144k.txt").write_text("".join(f"{number}.wav\n" for number in range(14)))
    (root / "test_list.txt").write_text("".join(f"{number}.png\n" for number in range(14, 20)))
    (recipe,) = (path for path in CONFIGS if path.stem == "dmc_flickr")
    options = _tiny(recipe, root, tmp_path, "FlickrSoundNet")
    assert cli.main(["fit", *options]) == 0
    capsys.readouterr()
    assert cli.main(["test", *options, f"--ckpt_path={tmp_path / 'last.ckpt'}"]) == 0
    assert "cIoU, test (median, 0.5)" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("localisation_*.png"))) == 3


def test_another_method_starts_from_the_encoders(tiny_root: Path, tmp_path: Path) -> None:
    """L3-Net and a classifier of frames start from the encoders of DMC."""
    demo, l3 = (next(path for path in CONFIGS if path.stem == name) for name in ("dmc", "l3"))
    assert cli.main(["fit", *_tiny(demo, tiny_root, tmp_path)]) == 0
    start = f"--model.init_args.encoder_checkpoint={tmp_path / 'last.ckpt'}"
    stay = "--model.init_args.optimizer.init_args.lr=0.0"
    alike = "--model.init_args.visual_encoder.init_args.context=2"
    (tmp_path / "l3").mkdir()
    assert cli.main(["fit", *_tiny(l3, tiny_root, tmp_path / "l3"), alike, start, stay]) == 0
    first, second = (
        torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (tmp_path, tmp_path / "l3")
    )
    kernels = [name for name in first if name.startswith("encoders.") and first[name].ndim == 4]
    assert kernels
    assert all(torch.equal(first[name], second[name]) for name in kernels)
