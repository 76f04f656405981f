"""The start of the leaves' embedding."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.tree import Floats
from unlabelled.seeding import torch_generator


class Start(ABC):
    """The first points of the leaves."""

    @abstractmethod
    def tangents(self, leaves: Leaves, dim: int, seed: int) -> Tensor:
        """Return tangent vectors ``(K, dim)`` float64 at the origin of a manifold."""


class ExponentialStart(Start):
    """The paper's start: features, to be mapped by the exponential map at the origin.

    They are centred, reduced to their principal components (with zeros for those that do not exist), and
    scaled to a mean norm of 1. Without features the components are those of the centred similarities.

    Source: sHHC paper (ICCV 2023) section 3.2, equation 12; the reduction to ``dim``, which the paper leaves
    open, is ours: docs/methods/shhc.md#triplet-loss.
    """

    def tangents(self, leaves: Leaves, dim: int, seed: int) -> Tensor:
        """Return principal components; nothing is random."""
        if leaves.features is not None:
            components = principal_components(leaves.features, dim)
        else:
            components = _similarity_components(leaves.similarity, dim)
        scale = np.linalg.norm(components, axis=1).mean()
        return torch.from_numpy(components / scale if scale > 0 else components)


class RandomStart(Start):
    """HypHC's start: random directions."""

    def tangents(self, leaves: Leaves, dim: int, seed: int) -> Tensor:
        """Return normally distributed vectors."""
        generator = torch_generator(seed, "random directions")
        return torch.randn(len(leaves), dim, dtype=torch.float64, generator=generator)


def principal_components(features: Floats, dim: int) -> Floats:
    """Return the first principal components ``(K, dim)`` of ``features (K, d)``; 0 where none is left."""
    left, scales, _ = np.linalg.svd(features - features.mean(0), full_matrices=False)
    return _first(left * scales, dim)


def _similarity_components(similarity: Floats, dim: int) -> Floats:
    """Return those of vectors whose inner products are ``similarity (K, K)``, 1 with themselves."""
    products = similarity.copy()
    np.fill_diagonal(products, max(1.0, float(similarity.max())))
    products -= products.mean(0)
    products -= products.mean(1, keepdims=True)
    values, vectors = np.linalg.eigh((products + products.T) / 2)
    return _first(vectors[:, ::-1] * np.sqrt(values[::-1].clip(0)), dim)


def _first(components: Floats, dim: int) -> Floats:
    missing = max(0, dim - components.shape[1])
    return np.pad(components[:, :dim], ((0, 0), (0, missing)))
