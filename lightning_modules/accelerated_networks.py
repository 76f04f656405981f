"""Networks for GPUs: compiled, and with channels last; their names and numbers do not change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch._dynamo
from torch import nn
from torchmetrics import Metric

from unlabelled.clustering import CosineCentroids
from unlabelled.encoders import ClipEncoder
from unlabelled.nn.queue import FeatureQueue

_VARIANTS = 256
"""Largest number of compiled variants: torch counts those of all parts, modes and shapes together."""
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
_NOT_CALLED = (FeatureQueue, CosineCentroids, Metric)
_CONTAINERS = (nn.ModuleDict, nn.ModuleList, ClipEncoder)  # of a ClipEncoder, methods call the parts


def compile_networks(method: nn.Module, **options: Any) -> int:
    """Compile each network of a method at its first call; return their number.

    Modules, parameters and keys of ``state_dict`` are the same as before, so that checkpoints of compiled and
    of other runs are exchangeable.

    Args:
        method: The method.
        **options: Options of ``torch.compile``.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _VARIANTS)
    networks = list(_networks(method))
    for network in networks:
        network.compile(**options)
    return len(networks)


def lay_channels_last(method: nn.Module) -> int:
    """Store the kernels of 2D and 3D convolutions with channels last; return their number.

    torch then computes with channels last, the order of tensor cores, whatever the order of the inputs. A
    checkpoint holds the same numbers.
    """
    kernels = [
        part.weight
        for part in method.modules()
        if isinstance(part, nn.modules.conv._ConvNd) and part.weight.ndim in _FORMATS
    ]
    for kernel in kernels:
        kernel.data = kernel.data.contiguous(memory_format=_FORMATS[kernel.ndim])
    return len(kernels)


def _networks(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost modules that are called, and have weights."""
    for child in module.children():
        if isinstance(child, _CONTAINERS):
            yield from _networks(child)
        elif not isinstance(child, _NOT_CALLED) and any(True for _ in child.parameters()):
            yield child
