"""Tiny images, pipelines that do next to nothing, and a simulated rank."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from lightning import LightningDataModule
from PIL import Image

from unlabelled.data.media.reader import Reader
from unlabelled.pipelines.base import ClipPipeline, ImagePipeline


class Plain(ImagePipeline):
    """First pixel of the image, and the arguments of `load`; ``finish`` adds the name of the pipeline."""

    def __init__(self, name: str = "pipeline") -> None:
        self.name = name

    def load(self, image: torch.Tensor, rng: np.random.Generator, train: bool) -> dict[str, Any]:
        return {"image": image[:, :1, :1], "train": train, "pipeline": self.name}

    def finish(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {**batch, "finished": self.name}


class Silent(ClipPipeline):
    """A clip's length; nothing is decoded."""

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds

    seconds = property(lambda self: self._seconds)
    needs_video = property(lambda self: True)
    needs_audio = property(lambda self: False)

    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Any]:
        return {"asked": self._seconds, "duration": duration}


def write_images(root: Path, *names: str) -> None:
    """Write small images, each of another colour."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (3, 2), (number, 0, 0)).save(root / name)


def videos(tiny_root: Path) -> list[Path]:
    """Return the files of the embedded data set."""
    rows = csv.reader((tiny_root / "vggsound.csv").open(newline=""))
    return [tiny_root / "video" / f"{row[0]}_{int(row[1]):06d}.mp4" for row in rows]


def loop_after(batches: int = 0, epochs: int = 0) -> Any:
    """Return a loop that goes on after some epochs, and some batches of the next one."""

    def progress(done: int) -> Any:
        return SimpleNamespace(current=SimpleNamespace(processed=done))

    inner = SimpleNamespace(batch_progress=progress(batches))
    return SimpleNamespace(restarting=batches > 0, epoch_loop=inner, epoch_progress=progress(epochs))


def _own(value: Any) -> Any:
    return value


def pretend_rank(data: LightningDataModule, rank: int, world_size: int) -> None:
    """Make a data module think that it is one of several processes."""
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=rank,
        local_rank=rank,
        world_size=world_size,
        limit_train_batches=1.0,
        fit_loop=loop_after(),
        strategy=SimpleNamespace(root_device=torch.device("cpu"), barrier=lambda name: None, broadcast=_own),
    )


def rows(loader: Any) -> list[int]:
    """Return the indices of a loader's batches, in order."""
    return [index for batch in loader for index in batch["index"].tolist()]


def labels(source: Any) -> dict[str, int]:
    """Return the label by file name."""
    return {Path(source.path(row)).name: int(source.labels[row]) for row in range(len(source))}
