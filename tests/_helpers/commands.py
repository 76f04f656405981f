"""Command lines for the system tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from unlabelled.encoders import Encoder

DEMO = "configs/demo/selavi.yaml"
Schedule = dict[str, Any]
FOUR_PASSES: Schedule = {
    "class_path": "unlabelled.clustering.InverseQuadratic",
    "init_args": {"num_passes": 4},
}
EVERY_EPOCH: Schedule = {"class_path": "unlabelled.clustering.Every", "init_args": {"epochs": 1}}


def command(
    name: str, root: Path, overlay: Path, out: Path, *more: str, schedule: Schedule = FOUR_PASSES
) -> list[str]:
    """Return a command of the demo with an overlay, on clips in VGG-Sound's layout."""
    return [
        name,
        f"--config={DEMO}",
        "--config=configs/data/vggsound.yaml",
        f"--config={overlay}",
        f"--data.init_args.root={root}",
        "--data.init_args.reader.init_args.short_side=20",
        "--data.init_args.reader.init_args.sample_rate=8000",
        *output_options(out, schedule),
        *more,
    ]


def output_options(out: Path, schedule: Schedule) -> list[str]:
    """Return options that write logs and checkpoints to ``out``."""
    return [
        f"--trainer.default_root_dir={out}",
        f"--trainer.logger.init_args.save_dir={out}",
        f"--config={_callbacks(out, schedule)}",
    ]


def _callbacks(out: Path, schedule: Schedule) -> Path:
    """Write the callbacks of the demo with other folders and schedule; an overlay replaces the whole list."""
    import yaml

    callbacks: list[dict[str, Any]] = yaml.safe_load(Path(DEMO).read_text())["trainer"]["callbacks"]
    for callback in callbacks:
        if callback["class_path"].endswith("ModelCheckpoint"):
            callback["init_args"]["dirpath"] = str(out / "checkpoints")
        if callback["class_path"].endswith("ClusteringPass"):
            callback["init_args"]["schedule"] = schedule
    path = out / "callbacks.yaml"
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}))
    return path


def save_encoders(path: Path, *encoders: Encoder) -> Path:
    """Write encoders in the format of a checkpoint, from which other runs can start."""
    states = nn.ModuleDict({encoder.modality: encoder for encoder in encoders}).state_dict()
    torch.save({"state_dict": {f"encoders.{name}": value for name, value in states.items()}}, path)
    return path


def load(out: Path, name: str = "last") -> dict[str, Any]:
    """Return the checkpoint of a run, loaded without running code in it."""
    checkpoint: dict[str, Any] = torch.load(out / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return checkpoint


def assert_same_run(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Compare weights, running statistics and pseudo-labels bit for bit."""
    assert one["global_step"] == other["global_step"]
    assert one["state_dict"].keys() == other["state_dict"].keys()
    for name, value in one["state_dict"].items():
        assert torch.equal(value, other["state_dict"][name]), name
    assert torch.equal(one["pseudo_labels"], other["pseudo_labels"])
