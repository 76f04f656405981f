"""First points of the embedding of leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.tree import Floats
from unlabelled.seeding import torch_generator


class Start(ABC):
    """Chooses the first points of the leaves."""

    @abstractmethod
    def tangents(self, leaves: Leaves, dim: int, seed: int) -> Tensor:
        """Return tangent vectors ``(K, dim)`` float64 at the origin of a manifold."""


class ExponentialStart(Start):
    """The start of the paper: the features, to be mapped by the exponential map at the origin.

    The features are centred, reduced to their principal components (padded by zeros) and scaled to a mean
    norm of 1. Without features, components of the centred similarities are used.

    Source: sHHC paper (ICCV 2023) section 3.2, equation 12; the reduction to ``dim``, which the paper does
    not describe, is ours: docs/methods/shhc.md#triplet-loss.
    """

    def tangents(self, leaves: Leaves, dim: int, seed: int) -> Tensor:
        """Return principal components; ``seed`` is unused."""
        if leaves.features is not None:
            components = principal_components(leaves.features, dim)
        else:
            components = _similarity_components(leaves.similarity, dim)
        scale = np.linalg.norm(components, axis=1).mean()
        return torch.from_numpy(components / scale if scale > 0 else components)


class UniformStart(Start):
    """The start of HypHC: points drawn uniformly from a small cube around the origin.

    Args:
        size: Half of the edge of the cube.

    Source: HazyResearch/HypHC, model/hyphc.py; the size is that of examples/run_iris.sh. The exponential map
    moves points of this size by 0.1 % at most.
    """

    def __init__(self, size: float = 0.05) -> None:
        if not 0 < size < np.inf:
            raise ValueError(f"UniformStart: size={size}, expected a positive number")
        self.size = size

    def tangents(self, leaves: Leaves, dim: int, seed: int) -> Tensor:
        """Return uniformly distributed vectors."""
        generator = torch_generator(seed, "uniform points")
        draws = torch.rand(len(leaves), dim, dtype=torch.float64, generator=generator)
        return self.size * (2 * draws - 1)


class RandomStart(Start):
    """Random directions, all equally likely."""

    def tangents(self, leaves: Leaves, dim: int, seed: int) -> Tensor:
        """Return normally distributed vectors."""
        generator = torch_generator(seed, "random directions")
        return torch.randn(len(leaves), dim, dtype=torch.float64, generator=generator)


def principal_components(features: Floats, dim: int) -> Floats:
    """Return the first principal components ``(K, dim)`` of ``features (K, d)``, padded by zeros."""
    left, scales, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    return _padded(left * scales, dim)


def _similarity_components(similarity: Floats, dim: int) -> Floats:
    """Return the principal components of unit vectors whose inner products are ``similarity (K, K)``."""
    products = similarity.copy()
    np.fill_diagonal(products, max(1.0, float(similarity.max())))
    products -= products.mean(0)
    products -= products.mean(1, keepdims=True)
    values, vectors = np.linalg.eigh((products + products.T) / 2)
    return _padded(vectors[:, ::-1] * np.sqrt(values[::-1].clip(0)), dim)


def _padded(components: Floats, dim: int) -> Floats:
    """Return the first ``dim`` columns, padded by zeros."""
    missing = max(0, dim - components.shape[1])
    return np.pad(components[:, :dim], ((0, 0), (0, missing)))
