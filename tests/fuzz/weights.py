"""Mutated checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.fuzz.children import outcomes
from tests.fuzz.mutations import mutate
from unlabelled.checkpoints import read_checkpoint

OTHER_WEIGHTS = "other weights"


def _content() -> dict[str, Any]:
    return {
        "state_dict": {f"encoders.video.{n}": torch.arange(5000.0).sin() + n for n in range(4)},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1}]}],
        "hyper_parameters": {"num_clusters": 9, "names": ["a", "b"]},
        "loops": {"fit_loop": {"epoch_progress": {"current": {"ready": 3}}}},
    }


def fuzz(number: int, seed: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the outcome of mutated checkpoints; bad ones stay in the folder."""
    rng, paths = np.random.default_rng(seed), []
    torch.save(_content(), folder / "whole.ckpt")
    whole = (folder / "whole.ckpt").read_bytes()
    for count in range(number):
        path = folder / f"{count:05d}.ckpt"
        path.write_bytes(mutate(whole, rng))
        paths.append(path)
    for path, outcome in zip(paths, outcomes(f"{__name__}:examine", list(map(str, paths))), strict=True):
        if outcome.startswith(("read", "refused")):
            path.unlink()
        yield path.name, outcome


def examine(path: str) -> str:
    """Read a checkpoint, and compare what was read with what was written."""
    try:
        content = read_checkpoint(path)
    except ValueError as error:
        return "refused" if "\n" not in str(error) else "several lines"
    return "read" if _same(content, _content()) else OTHER_WEIGHTS


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(_same(one[name], other[name]) for name in one)
        )
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
