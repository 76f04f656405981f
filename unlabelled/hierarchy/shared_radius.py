"""Leaves at one distance from the origin: their directions and that one radius are learned."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.hierarchy.manifolds import Manifold
from unlabelled.seeding import torch_generator


class SharedRadius(nn.Module):
    """Leaves on one learned radius of a manifold.

    The radius is a sigmoid between the manifold's limits, so that it has a gradient everywhere, which a clamp
    would not have. Source: HazyResearch/HypHC, model/hyphc.py, ``normalize_embeddings``, which clamps it.

    Args:
        start: ``(K, D)`` float64 vectors in the leaves' first directions; a random one for zeros.
        manifold: The space of the leaves.
        share: The first radius, between the manifold's smallest (0) and largest (1).
        seed: Of the random directions.
    """

    def __init__(self, start: Tensor, manifold: Manifold, share: float, seed: int) -> None:
        super().__init__()
        self.manifold = manifold
        self._smallest, largest = manifold.radius_limits()
        self._range = largest - self._smallest
        nowhere = start.norm(dim=1, keepdim=True) == 0
        random = torch.randn(start.shape, dtype=start.dtype, generator=torch_generator(seed, "no direction"))
        self.directions = nn.Parameter(torch.where(nowhere, random, start))
        self.radius_logit = nn.Parameter(torch.tensor(math.log(share / (1 - share)), dtype=start.dtype))

    @property
    def radius(self) -> Tensor:
        """The leaves' Euclidean norm."""
        return self._smallest + self._range * self.radius_logit.sigmoid()

    def points(self) -> Tensor:
        """Return a copy of the leaves ``(K, D)``."""
        return (F.normalize(self.directions, dim=1) * self.radius).detach().clone()

    def depths(self, triplets: Tensor) -> Tensor:
        """Return the depths ``(3, B)`` between every corner of ``triplets (3, B)`` and the one before it."""
        corners = F.embedding(triplets, F.normalize(self.directions, dim=1))  # (3, B, D)
        return self.manifold.cosine_depth((corners * corners.roll(1, 0)).sum(2), self.radius)

    @torch.no_grad()
    def all_depths(self) -> Tensor:
        """Return the depths ``(K, K)`` of all pairs."""
        unit = F.normalize(self.directions, dim=1)
        return self.manifold.cosine_depth(unit @ unit.T, self.radius)
