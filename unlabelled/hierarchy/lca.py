"""The depth of the lowest common ancestor (LCA) of two points of the Poincaré ball.

The LCA of two points is the point of the geodesic between them that is closest to the origin; its depth is
its distance to the origin. With one radius for all points the LCA is inside the geodesic, and depths are
ordered like cosines. With different radii the closest point of the *line* through both points may lie beyond
one of them, so that the depth of an ancestor and its descendant would be too small; the *segment* version
then returns that point.

Source: HypHC (Chami et al. 2020, arXiv:2010.00402) and HazyResearch/HypHC, utils/lca.py, whose reflections
have the same result; the closed forms are ours: docs/methods/shhc.md#ancestor-depth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.hierarchy.poincare import Curvature, distance, distance_to_origin, safe_sqrt


def equal_radius_depth(u: Tensor, v: Tensor, radius: float | Tensor, c: Curvature = 1.0) -> Tensor:
    """Return LCA depths ``(...)`` of points of one norm, from unit vectors ``(..., D)`` in their directions.

    ``sinh(sqrt(c) depth) = r |u + v| / sqrt((1 - r^2)^2 + r^2 |u - v|^2)``, where r is the radius times
    ``sqrt(c)``: exact also in float32. Opposite points have depth 0 and a finite gradient.

    Args:
        u: Unit vectors.
        v: Unit vectors.
        radius: Euclidean norm of the points, between 0 and ``1 / sqrt(c)``.
        c: Curvature.
    """
    return _equal_radius((u + v).square().sum(-1), (u - v).square().sum(-1), radius, c)


def cosine_depth(cosines: Tensor, radius: float | Tensor, c: Curvature = 1.0) -> Tensor:
    """Return LCA depths ``(...)`` of points of one norm, from the cosines ``(...)`` between them.

    Equal to :func:`equal_radius_depth`, but for float64 only: a float32 cosine close to 1 has too few digits.
    Cosines that rounding puts outside [-1, 1] are clamped.
    """
    cosines = cosines.clamp(-1, 1)
    return _equal_radius(2 + 2 * cosines, 2 - 2 * cosines, radius, c)


def line_depth(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return distances ``(...)`` from the origin to the lines through points ``(..., D)``, of any norms.

    This is the depth of the LCA in HypHC's code. It is at most the depth of either point, and equal to it for
    coincident points.
    """
    x, y, depths = _in_unit_ball(x, y, c)
    return _foot_depth(x, y, depths) / c**0.5


def segment_depth(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return distances ``(...)`` from the origin to the geodesic *segments* between points ``(..., D)``.

    Equal to ``line_depth`` where the closest point of the line is between both points, else the smaller of
    their depths. It is between the Gromov product and log 2 above it.
    """
    x, y, depths = _in_unit_ball(x, y, c)
    foot = _foot_depth(x, y, depths).maximum((depths.sum(-1) - distance(x, y)) / 2)
    beyond_x, beyond_y = _foot_is_beyond(x, y)
    return torch.where(beyond_x, depths[..., 0], torch.where(beyond_y, depths[..., 1], foot)) / c**0.5


def gromov_product(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return ``(d(0, x) + d(0, y) - d(x, y)) / 2 (...)``, an approximate depth for points of any norms."""
    return (distance_to_origin(x, c) + distance_to_origin(y, c) - distance(x, y, c)) / 2


def lca_point(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return the LCA ``(..., D)`` of points ``(..., D)``, the point of their segment closest to 0."""
    klein_x, klein_y = _klein(x, c), _klein(y, c)
    return _from_klein(closest_on_segment(klein_x, klein_y), c)


def line_foot(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return the point ``(..., D)`` closest to the origin of the whole line through points ``(..., D)``."""
    klein_x, klein_y = _klein(x, c), _klein(y, c)
    return _from_klein(klein_x + _share_of_foot(klein_x, klein_y) * (klein_y - klein_x), c)


def closest_on_segment(x: Tensor, y: Tensor) -> Tensor:
    """Return the point ``(..., D)`` closest to the origin of *straight* segments between ``(..., D)``."""
    share = _share_of_foot(x, y).clamp(0, 1)
    return (1 - share) * x + share * y


def _equal_radius(sums: Tensor, gaps: Tensor, radius: float | Tensor, c: Curvature) -> Tensor:
    """Return depths from ``|u + v|^2`` and ``|u - v|^2``."""
    r = radius * c**0.5
    squares = r * r
    rise = squares * (sums + 1e-24)  # avoids the infinite gradient of a root at 0
    return (rise / ((1 - squares) ** 2 + squares * gaps)).sqrt().asinh() / c**0.5


def _klein(x: Tensor, c: Curvature) -> Tensor:
    """Return points in Klein's model, whose geodesics are straight and whose closest points are Euclidean."""
    x = x * c**0.5
    return 2 * x / (1 + _square(x))


def _from_klein(x: Tensor, c: Curvature) -> Tensor:
    return x / (1 + safe_sqrt(1 - _square(x))) / c**0.5


def _share_of_foot(x: Tensor, y: Tensor) -> Tensor:
    """Return the share of the way from x to y at which the line is closest to the origin; 0 if x = y."""
    unit = torch.maximum(x.detach().abs(), y.detach().abs()).amax(-1, keepdim=True)  # the share has no unit
    x, y = (point / unit.where(unit > 0, 1) for point in (x, y))
    chord = y - x
    squares = _square(chord)
    share = -(x * chord).sum(-1, keepdim=True) / squares.where(squares > 0, 1)
    return share.where(squares > 0, 0)


def _in_unit_ball(x: Tensor, y: Tensor, c: Curvature) -> tuple[Tensor, Tensor, Tensor]:
    """Return both points scaled to c = 1 and broadcast to one shape, and their depths ``(..., 2)``."""
    x, y = torch.broadcast_tensors(x * c**0.5, y * c**0.5)  # type: ignore[no-untyped-call]
    return x, y, torch.stack([distance_to_origin(x), distance_to_origin(y)], -1)


def _foot_depth(x: Tensor, y: Tensor, depths: Tensor) -> Tensor:
    """Return the distance of the origin to the lines, c = 1.

    ``sinh(depth) = 2 area / (|x - y| sqrt(|x - y|^2 + (1 - |x|^2) (1 - |y|^2)))``, where area is that of the
    parallelogram of x and y; as norm times residual it has no cancellation for nearly parallel points.
    """
    a, b, gap = (_square(point).squeeze(-1) for point in (x, y, x - y))
    margin = ((1 - a) * (1 - b)).clamp_min(0)
    apart = gap > _least_square(gap)
    away = gap.where(apart, 1)
    foot = (2 * _area(x, y) / (away * (away + margin)).sqrt()).asinh()
    return foot.where(apart, torch.inf).minimum(depths.amin(-1))


def _area(x: Tensor, y: Tensor) -> Tensor:
    squares = _square(x)
    along = (x * y).sum(-1, keepdim=True) / squares.where(squares > _least_square(x), 1)
    return safe_sqrt((squares * _square(y - along * x)).squeeze(-1))


def _foot_is_beyond(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    a, b, dot = (_square(x).squeeze(-1), _square(y).squeeze(-1), (x * y).sum(-1))
    p, q = (1 + a) / 2, (1 + b) / 2
    return a * q <= dot * p, b * p <= dot * q


def _least_square(x: Tensor) -> float:
    """Return the smallest squared length with a reciprocal whose square is finite; below, it counts as 0."""
    return float(torch.finfo(x.dtype).tiny ** 0.5)


def _square(x: Tensor) -> Tensor:
    return x.square().sum(-1, keepdim=True)
