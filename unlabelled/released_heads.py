"""Heads that a released code stores one by one, as the stacked tensors of this package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

_HEAD = re.compile(r"mlp_([va])(\d*)\.block_forward\.(\d\.\w+)")
_NORM = ("weight", "bias", "running_mean", "running_var")
_PARTS = ("2.weight", *(f"4.{name}" for name in _NORM), "8.weight", "8.bias")


def stack_heads(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a file with SeLaVi's heads of a modality as those of one ``MultiHead``.

    ``mlp_v0.block_forward.2.weight`` to ``mlp_v9.block_forward.8.bias`` (``mlp_v`` for a single head) become
    ``mlp_v.weight1``, ``mlp_v.norm.*``, ``mlp_v.weight2`` and ``mlp_v.bias2``; ``mlp_a*`` likewise. Other
    weights, and heads that are incomplete or differ in shape, are returned as they are.

    Args:
        stored: The weights by the keys of the file.
    """
    heads: dict[str, dict[int, dict[str, str]]] = {}
    for key in stored:
        if match := _HEAD.fullmatch(key):
            heads.setdefault(match[1], {}).setdefault(int(match[2] or 0), {})[match[3]] = key
    found = dict(stored)
    for letter, keys in heads.items():
        if not _alike([{part: stored[key] for part, key in keys[head].items()} for head in keys]):
            continue
        parts = {part: [found.pop(keys[head][part]) for head in sorted(keys)] for part in _PARTS}
        for head in keys:
            found.pop(keys[head].get("4.num_batches_tracked", ""), None)
        found |= {f"mlp_{letter}.{name}": value for name, value in _stacked(parts).items()}
    return found


def _alike(heads: list[dict[str, Tensor]]) -> bool:
    """Return whether all heads have all parts, in the same shapes."""
    shapes = [[head[part].shape for part in _PARTS if part in head] for head in heads]
    matrices = [head.get(part) for head in heads for part in ("2.weight", "8.weight")]
    return (
        all(len(each) == len(_PARTS) for each in shapes)
        and all(one == other for one, other in pairwise(shapes))
        and all(matrix is not None and matrix.ndim == 2 for matrix in matrices)
    )


def _stacked(parts: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    return {
        "weight1": torch.stack([weight.T for weight in parts["2.weight"]]),
        "weight2": torch.stack([weight.T for weight in parts["8.weight"]]),
        "bias2": torch.stack(parts["8.bias"]),
        **{f"norm.{name}": torch.cat(parts[f"4.{name}"]) for name in _NORM},
    }
