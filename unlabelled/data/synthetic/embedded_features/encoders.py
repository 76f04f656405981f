"""Fixed image encoder that replaces ResNet-152 and ResNeXt-101 of HowTo100M; small and untrained."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unlabelled.seeding import torch_generator

CHUNK = 16  # frames of a 3D feature, as for ResNeXt-101
CHUNK_FRAMES = (0, 5, 10, 15)  # frames of a chunk that are used
_LUMA = (0.299, 0.587, 0.114)
_WAVELENGTHS = (3.0, 5.0, 8.0)  # pixels
_ORIENTATIONS, _FILTER = 8, 13
_MAPS = len(_WAVELENGTHS) * _ORIENTATIONS
_BATCH = 128


class ImageEncoder:
    """Two layers of untrained filters, pooling, and a random projection with a ReLU.

    The first layer is the contrast of oriented edges at three scales, independent of colour and sign; the
    second layer has random filters over all of these. The mean, maximum and deviation of each response over
    the image are the features, which therefore depend little on position and size.

    Args:
        dim: Width of the features.
        channels: Number of random filters of the second layer.
    """

    def __init__(self, dim: int = 64, channels: int = 128) -> None:
        self.dim = dim
        self._edges = _gabor_filters()
        self._random = {name: _random_filters(name, channels, maps) for name, maps in _INPUTS.items()}
        self._projection = {name: _random_projection(name, 3 * channels, dim) for name in _INPUTS}

    def frames(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a feature of unit length ``(n, dim)`` for each image ``(n, height, width, 3)``."""
        blocks = torch.split(torch.from_numpy(images), _BATCH)
        return torch.cat([self._describe("2d", self._contrast(block)) for block in blocks]).numpy()

    def chunks(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a feature of unit length ``(n, dim)`` for each chunk.

        Args:
            images: Frames :data:`CHUNK_FRAMES` of each chunk ``(n, 4, height, width, 3)``.
        """
        blocks = torch.split(torch.from_numpy(images), _BATCH // len(CHUNK_FRAMES))
        return torch.cat([self._describe("3d", self._motion(block)) for block in blocks]).numpy()

    def _contrast(self, images: Tensor) -> Tensor:
        """Return the energies of edges ``(n, 24, h, w)`` relative to those in their neighbourhood."""
        grey = (images.float() / 255 @ torch.tensor(_LUMA)).unsqueeze(1)
        framed = F.pad(grey, 4 * (_FILTER // 2,), mode="replicate")  # zeros would add edges at the border
        parts = F.conv2d(framed, self._edges, stride=2)
        energy = torch.unflatten(parts, 1, (_MAPS, 2)).square().sum(2).add(1e-8).sqrt()
        around = F.avg_pool2d(energy.mean(1, keepdim=True), 7, stride=1, padding=3)
        contrast: Tensor = energy / (around + 0.02)
        return contrast

    def _motion(self, chunks: Tensor) -> Tensor:
        """Return the mean energies and their mean absolute changes between frames ``(n, 48, h, w)``."""
        energy = torch.unflatten(self._contrast(chunks.flatten(0, 1)), 0, chunks.shape[:2])
        return torch.cat([energy.mean(1), energy.diff(dim=1).abs().mean(1)], dim=1)

    def _describe(self, name: str, maps: Tensor) -> Tensor:
        responses = F.conv2d(maps, self._random[name], stride=2, padding=2).flatten(2)
        pooled = [responses.mean(2), responses.amax(2), responses.std(2)]
        level = torch.cat([F.layer_norm(part, part.shape[1:]) for part in pooled], dim=1)
        return F.normalize(F.relu(level @ self._projection[name]), dim=1)


_INPUTS = {"2d": _MAPS, "3d": 2 * _MAPS}


def _gabor_filters() -> Tensor:
    """Return even and odd filters ``(48, 1, 13, 13)`` of each wavelength and orientation, of zero mean."""
    axis = torch.arange(_FILTER) - _FILTER // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    filters = []
    for wavelength in _WAVELENGTHS:
        window = torch.exp(-(x.square() + y.square()) / (2 * (0.45 * wavelength) ** 2))
        for angle in (math.pi * step / _ORIENTATIONS for step in range(_ORIENTATIONS)):
            turns = (x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / wavelength
            for phase in (0.0, math.pi / 2):
                wave = window * torch.cos(turns + phase)
                wave = wave - window * (wave.sum() / window.sum())
                filters.append(wave / wave.norm())
    return torch.stack(filters).unsqueeze(1)


def _random_filters(name: str, channels: int, maps: int) -> Tensor:
    """Return filters ``(channels, maps, 5, 5)`` of unit norm and zero mean."""
    filters = torch.randn(channels, maps, 5, 5, generator=torch_generator("picture encoder", name, "filters"))
    filters = filters - filters.mean((1, 2, 3), keepdim=True)
    unit: Tensor = filters / filters.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    return unit


def _random_projection(name: str, rows: int, dim: int) -> Tensor:
    generator = torch_generator("picture encoder", name, "projection")
    return torch.randn(rows, dim, generator=generator) / math.sqrt(rows)
