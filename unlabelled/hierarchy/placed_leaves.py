"""Leaves on one learned radius of a manifold, and the optimisers that move them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.hierarchy import poincare
from unlabelled.hierarchy.manifolds import TANGENT_LIMITS, Manifold, PoincareBall
from unlabelled.hierarchy.riemannian_adam import RiemannianAdam
from unlabelled.seeding import torch_generator


class PlacedLeaves(nn.Module, ABC):
    """Leaves in learned directions, all at one learned distance from the origin.

    Args:
        start: ``(K, D)`` float64 vectors in the first directions of the leaves; random ones replace zeros.
        manifold: The space of the leaves.
        seed: Seed of the random directions.
    """

    def __init__(self, start: Tensor, manifold: Manifold, seed: int) -> None:
        super().__init__()
        self.manifold = manifold
        is_zero = start.norm(dim=1, keepdim=True) == 0
        random = torch.randn(start.shape, dtype=start.dtype, generator=torch_generator(seed, "no direction"))
        self.directions = nn.Parameter(torch.where(is_zero, self.replacement(random), start))

    @property
    @abstractmethod
    def radius(self) -> Tensor:
        """Euclidean norm of the leaves."""

    @abstractmethod
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Return the optimisers of all parameters."""

    def replacement(self, random: Tensor) -> Tensor:
        """Return what replaces zeros, from normally distributed vectors ``(K, D)``."""
        return random

    @torch.no_grad()
    def restrict(self) -> None:
        """Bring the parameters back to where they may be, after a step."""

    def points(self) -> Tensor:
        """Return a copy of the leaves ``(K, D)``."""
        return (F.normalize(self.directions, dim=1) * self.radius).detach().clone()

    def depths(self, triplets: Tensor) -> Tensor:
        """Return the LCA depths ``(3, B)`` of each corner of ``triplets (3, B)`` and the corner before it."""
        corners = F.embedding(triplets, F.normalize(self.directions, dim=1))  # (3, B, D)
        return self.manifold.cosine_depth((corners * corners.roll(1, 0)).sum(2), self.radius)

    @torch.no_grad()
    def all_depths(self) -> Tensor:
        """Return the LCA depths ``(K, K)`` of all pairs."""
        unit = F.normalize(self.directions, dim=1)
        return self.manifold.cosine_depth(unit @ unit.T, self.radius)


class SharedRadius(PlacedLeaves):
    """Free vectors, of which only the directions matter, and a radius, both moved by Adam.

    The radius is a sigmoid between the limits of the manifold, whose gradient is never 0, unlike that of a
    clamp.

    Args:
        start: ``(K, D)`` float64 vectors in the first directions of the leaves; random ones replace zeros.
        manifold: The space of the leaves.
        share: The first radius, from the smallest (0) to the largest (1) of the manifold.
        seed: Seed of the random directions.
    """

    def __init__(self, start: Tensor, manifold: Manifold, share: float, seed: int) -> None:
        super().__init__(start, manifold, seed)
        self._smallest, largest = manifold.radius_limits()
        self._range = largest - self._smallest
        self.radius_logit = nn.Parameter(torch.tensor(math.log(share / (1 - share)), dtype=start.dtype))

    @property
    def radius(self) -> Tensor:
        """Euclidean norm of the leaves."""
        return self._smallest + self._range * self.radius_logit.sigmoid()

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Adam of all parameters."""
        return [torch.optim.Adam(self.parameters())]


class RiemannianLeaves(PlacedLeaves):
    """HypHC's: points of the ball, moved by Riemannian Adam; the leaves are in their directions.

    The steps of a point near the origin turn it by larger angles. The radius is learned as the distance from
    the origin: on a line through the origin Riemannian Adam is Adam of that distance. HypHC clamps what it
    computes from the radius, and a radius beyond the limits is never moved again; here the radius itself is
    kept between them.

    Args:
        start: ``(K, D)`` float64 points of the ball; points of random directions replace zeros.
        ball: The space of the leaves.
        share: The first radius, from the smallest (0) to the largest (1) of the ball.
        seed: Seed of the random directions.

    Source: HazyResearch/HypHC, model/hyphc.py (``normalize_embeddings``), optim/radam.py.
    """

    def __init__(self, start: Tensor, ball: PoincareBall, share: float, seed: int) -> None:
        self._curvature = ball.curvature
        smallest, largest = ball.radius_limits()
        self._first = smallest + share * (largest - smallest)
        super().__init__(start, ball, seed)
        first = torch.tensor([self._first], dtype=start.dtype)
        self.distance = nn.Parameter(poincare.distance_to_origin(first, self._curvature))

    @property
    def radius(self) -> Tensor:
        """Euclidean norm of the leaves."""
        return poincare.exp0(self.distance[None] / 2, self._curvature)[0]

    def replacement(self, random: Tensor) -> Tensor:
        """Return points of the first radius."""
        return F.normalize(random, dim=1) * self._first

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Return Riemannian Adam of the points, and Adam of the distance."""
        points = RiemannianAdam([self.directions], curvature=self._curvature)
        return [points, torch.optim.Adam([self.distance])]

    @torch.no_grad()
    def restrict(self) -> None:
        """Keep the radius between the limits of the ball."""
        smallest, largest = TANGENT_LIMITS
        self.distance.clamp_(2 * smallest, 2 * largest)
