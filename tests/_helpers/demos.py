"""A few steps of the demo of each method, in this process, on data that are generated small."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning import Callback, Trainer

from tests.conftest import ROOT

_SMALL = {
    "Embedded": ["train_per_class=4", "test_per_class=1"],
    "DrawnImages": ["train_per_class=4", "val_per_class=1"],
    "EmbeddedFeatures": ["train_per_class=4", "test_per_class=1", "train_videos=24", "test_videos=4"],
}
_LEARNS_AT_ONCE = {
    "sspc": ["start=now"],
    "mcn": ["queue_size=8", "num_centroids=4"],
}


def one_demo_of_each_method() -> list[Path]:
    """Return the first demo of each class of models."""
    demos = sorted((ROOT / "configs" / "demo").glob("*.yaml"), reverse=True)
    return sorted({yaml.safe_load(path.read_text())["model"]["class_path"]: path for path in demos}.values())


def few_steps(demo: Path, data: Path, folder: Path, steps: int) -> list[str]:
    """Return the command line of some steps in batches of 8, without evaluation.

    Args:
        demo: The configuration.
        data: A folder for generated data, which several demos may share.
        folder: A folder for the run.
        steps: Number of steps.
    """
    content = yaml.safe_load(demo.read_text())["data"]
    roots = [
        f"--data.init_args.{key}={data / Path(value).name}"
        for key, value in content["init_args"].items()
        if key in ("root", "clips_root")
    ]
    small = _SMALL[content["class_path"].removeprefix("datamodules.")]
    return [
        *("fit", f"--config={demo}", *roots, *(f"--data.init_args.{each}" for each in small)),
        *("--data.init_args.num_workers=0", "--data.init_args.batch_size=8", f"--trainer.max_steps={steps}"),
        *("--trainer.limit_val_batches=0", "--trainer.log_every_n_steps=1000"),
        *("--trainer.enable_progress_bar=false", f"--trainer.default_root_dir={folder}"),
        *(f"--model.init_args.{each}" for each in _LEARNS_AT_ONCE.get(demo.stem, [])),
        *(["--model.init_args.encoder_checkpoint=null"] if "encoder_checkpoint" in demo.read_text() else []),
    ]


def add_callbacks(patch: pytest.MonkeyPatch, first: list[Callback], last: list[Callback]) -> None:
    """Let each training of this process have callbacks before and after those of its configuration."""
    fit = Trainer.fit

    @functools.wraps(fit)  # the command line reads its signature
    def with_callbacks(trainer: Any, *args: Any, **kwargs: Any) -> None:
        trainer.callbacks[:] = [*first, *trainer.callbacks, *last]
        fit(trainer, *args, **kwargs)

    patch.setattr(Trainer, "fit", with_callbacks)
