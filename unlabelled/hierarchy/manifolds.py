"""The spaces of leaves and prototypes, hyperbolic or Euclidean, with one interface.

Source: sHHC paper (ICCV 2023) sections 3.2 and 3.3, and Table 5 for the comparison;
docs/methods/shhc.md#poincare-ball.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from unlabelled.hierarchy import lca, poincare

TANGENT_LIMITS = (0.01, 3.8)
"""Smallest and largest tangent norm of leaves that share a radius; in the ball with c = 1 0.01 and 0.999."""


class Manifold(ABC):
    """A space with an origin, all of whose points are images of tangent vectors at the origin."""

    @abstractmethod
    def embed(self, v: Tensor) -> Tensor:
        """Return the points ``(..., D)`` of tangent vectors ``(..., D)`` at the origin."""

    @abstractmethod
    def pairwise_distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Return all distances ``(..., N, M)`` between points ``(..., N, D)`` and ``(..., M, D)``."""

    @abstractmethod
    def cosine_depth(self, cosines: Tensor, radius: float | Tensor) -> Tensor:
        """Return the distances ``(...)`` from the origin to the geodesics between points of one norm.

        Args:
            cosines: ``(...)`` between the directions of the points.
            radius: Euclidean norm of the points.
        """

    @abstractmethod
    def midpoint(self, points: Tensor) -> Tensor:
        """Return the midpoint ``(D,)`` of points ``(N, D)``."""

    @abstractmethod
    def ancestor(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the point ``(D,)`` closest to the origin on the geodesic segment between points ``(D,)``."""

    def radius_limits(self) -> tuple[float, float]:
        """Return the Euclidean norms of points at the ends of ``TANGENT_LIMITS``."""
        smallest, largest = self.embed(torch.tensor(TANGENT_LIMITS, dtype=torch.float64)[:, None]).flatten()
        return float(smallest), float(largest)


class PoincareBall(Manifold):
    """Hyperbolic space as a ball.

    Args:
        curvature: c; the sectional curvature is -c.
        max_norm: Norm to which longer tangent vectors are shortened: the exponential map saturates, and
            points on the border are infinitely far from all others.
    """

    def __init__(self, curvature: float = 1.0, max_norm: float = 5.0) -> None:
        if not (0 < curvature < math.inf and 0 < max_norm < math.inf):
            raise ValueError(
                f"PoincareBall: curvature={curvature}, max_norm={max_norm}; expected positive numbers"
            )
        self.curvature, self.max_norm = curvature, max_norm

    def embed(self, v: Tensor) -> Tensor:
        """Return ``E(v)``, with v shortened to ``max_norm``."""
        v = poincare.shortened(v, self.max_norm)
        norms = poincare.safe_sqrt(v.square().sum(-1, keepdim=True))
        long = norms > self.max_norm
        return poincare.exp0(v * (self.max_norm / norms.where(long, 1)).where(long, 1), self.curvature)

    def pairwise_distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Return hyperbolic distances."""
        return poincare.pairwise_distance(x, y, self.curvature)

    def cosine_depth(self, cosines: Tensor, radius: float | Tensor) -> Tensor:
        """Return hyperbolic depths of lowest common ancestors."""
        return lca.cosine_depth(cosines, radius, self.curvature)

    def midpoint(self, points: Tensor) -> Tensor:
        """Return the Einstein midpoint."""
        return poincare.einstein_midpoint(points, c=self.curvature)

    def ancestor(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the lowest common ancestor."""
        return lca.lca_point(x, y, self.curvature)


class EuclideanSpace(Manifold):
    """Euclidean space, for comparison; tangent vectors equal their points."""

    def embed(self, v: Tensor) -> Tensor:
        """Return v."""
        return v

    def pairwise_distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Return Euclidean distances, for points of any size, without the cancellation of Gram matrices."""
        x, y = poincare.widen(x), poincare.widen(y)
        largest = torch.cat([x.detach().flatten(), y.detach().flatten(), x.new_zeros(1)]).abs().amax()
        unit = torch.ldexp(torch.ones_like(largest), largest.frexp().exponent - 1)  # a power of 2: exact
        return torch.cdist(x / unit, y / unit, compute_mode="donot_use_mm_for_euclid_dist") * unit

    def cosine_depth(self, cosines: Tensor, radius: float | Tensor) -> Tensor:
        """Return the distance of the chord from the origin, ``r sqrt((1 + cos) / 2)``."""
        return radius * ((1 + cosines.clamp(-1, 1)) / 2 + 1e-24).sqrt()  # finite gradient of opposite points

    def midpoint(self, points: Tensor) -> Tensor:
        """Return the mean."""
        return points.mean(0)

    def ancestor(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the point of the straight segment closest to the origin."""
        return lca.closest_on_segment(x, y)
