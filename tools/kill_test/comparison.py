"""Compare the last checkpoints and the metrics of two runs bit for bit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

_PLACES = re.compile(r"path|dirpath|best_k_models")  # folders of the runs
_READERS = ("num_workers", "multiprocessing_context")  # options that change no result
_SPEED = re.compile(r"second|per_s|time|throughput|data/wait|memory")


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of what differs between two folders of runs; nothing if they are equal."""
    checkpoints = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (one, other)]
    found = list(_differing("", checkpoints[0], checkpoints[1]))
    metrics = [last_metrics(run) for run in (one, other)]
    names = sorted(metrics[0].keys() | metrics[1].keys())
    return found + [name for name in names if not _equal(metrics[0].get(name), metrics[1].get(name))]


def last_metrics(run: Path) -> dict[str, tuple[int, float]]:
    """Return step and value of each metric when it was logged last in a run, speeds apart."""
    last: dict[str, tuple[int, float]] = {}
    for folder in sorted(run.glob("fit*")):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        for name in events.Tags()["scalars"]:
            if not _SPEED.search(name):
                scalar = events.Scalars(name)[-1]
                last[name] = max(
                    last.get(name, (-1, 0.0)), (scalar.step, scalar.value), key=lambda each: each[0]
                )
    return last


def _differing(name: str, one: Any, other: Any) -> Iterator[str]:
    """Yield the names of the entries of two checkpoints that differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if not (_PLACES.search(str(key)) or key in _READERS):
                yield from _differing(f"{name}/{key}", one.get(key), other.get(key))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _differing(f"{name}/{number}", first, second)
    elif not _equal(one, other):
        yield name.lstrip("/")


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (one != one and other != other)
    return bool(one == other)
