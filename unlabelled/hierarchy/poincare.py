"""The Poincaré ball of curvature -c, points x with ``c |x|^2 < 1``, without cancellation.

Distances use the inverse hyperbolic sine of ``|x - y|``, which is exact where the usual form, an inverse
hyperbolic tangent close to 1, loses all digits. All functions accept leading dimensions and broadcast,
compute in float32 at least, also under autocast, and have finite gradients for coincident points and for
points on the border. Heads and prototypes should be float64: in float32 a distance at radius 0.9999 has an
error of 1e-3. geoopt implements the same operations by clamped inverse hyperbolic tangents; the tests compare
with it.

Source: sHHC paper (ICCV 2023) equations 7 to 12, with the corrections in docs/methods/shhc.md#poincare-ball;
Ganea et al. 2018 (arXiv:1805.09112).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SATURATED = 32.0  # tangent norm at c = 1 beyond which E(v) is the same point in any format

Curvature = float | Tensor
"""c > 0; the sectional curvature is -c. A tensor (buffer) is not checked, to avoid a synchronisation."""


def mobius_add(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return ``x (+) y (..., D)``: neither commutative nor associative, but ``(-x) (+) (x (+) y) = y``.

    Source: paper equation 9.
    """
    c, x, y = _checked(c), widen(x), widen(y)
    xy, xx, yy = _dot(x, y), _dot(x, x), _dot(y, y)
    numerator = (1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y
    return numerator / (1 + 2 * c * xy + c**2 * xx * yy).clamp_min(_tiny(x))


def distance(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return distances ``(...)`` between points ``(..., D)``.

    ``2 / sqrt(c) asinh(sqrt(c) |x - y| / sqrt((1 - c |x|^2) (1 - c |y|^2)))``. The gradient of coincident
    points is 0. Source: paper equation 8, in the form of docs/methods/shhc.md#poincare-ball.
    """
    c, x, y = _checked(c), widen(x), widen(y)
    gaps = safe_sqrt((x - y).square().sum(-1))
    return _from_gap(gaps, _margin(x, c), _margin(y, c), c)


def pairwise_distance(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return all distances ``(..., N, M)`` between points ``(..., N, D)`` and ``(..., M, D)``.

    Computed from differences, not from Gram matrices, which lose all digits for close points; no array is
    larger than the result. The result has the dtype of the input, float32 at least.

    Example:
        >>> points = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, -0.5]], dtype=torch.float64)
        >>> pairwise_distance(points[:1], points).round(decimals=3).tolist()
        [[0.0, 1.099, 1.099]]
    """
    c, x, y = _checked(c), widen(x), widen(y)
    dtype = torch.promote_types(x.dtype, y.dtype)
    x, y = x.double(), y.double()
    gaps = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    return _from_gap(gaps, _margin(x, c).unsqueeze(-1), _margin(y, c).unsqueeze(-2), c).to(dtype)


def distance_to_origin(x: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return ``d(0, x) (...)`` of points ``(..., D)``; its gradient at the origin is 0."""
    c, x = _checked(c), widen(x)
    norms = safe_sqrt(x.square().sum(-1))
    return 2 / c**0.5 * (c**0.5 * norms / _margin(x, c).sqrt()).asinh()


def conformal_factor(x: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return ``lambda_x = 2 / (1 - c |x|^2) (...)``: the factor of lengths at x over Euclidean ones."""
    return 2 / _margin(widen(x), _checked(c))


def exp0(v: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return E(v) ``(..., D)``, the exponential map at the origin: ``d(0, E(v)) = 2 |v|``.

    A v that rounding would put on the border is mapped just inside it (``sqrt(c) |v|`` above 17 in float64, 7
    in float32); its gradient along v is then 0. Source: paper equation 12.
    """
    c, v = _checked(c), widen(v)
    v = shortened(v, _SATURATED / c**0.5)
    length = c**0.5 * safe_sqrt(_dot(v, v))
    reached = length.tanh().clamp_max(1 - 4 * torch.finfo(v.dtype).eps)
    return v * (reached / length.where(length > 0, 1)).where(length > 0, 1)


def log0(y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return the tangent vector ``(..., D)`` at the origin with ``E(v) = y``."""
    y = widen(y)
    return _with_length(y, distance_to_origin(y, c) / 2)


def exp_at(x: Tensor, v: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return ``exp_x(v) (..., D)``, the point reached from x along v over a distance of ``lambda_x |v|``.

    Source: paper equation 11, where the c of the denominator is missing.
    """
    c, x, v = _checked(c), widen(x), widen(v)
    margin = _margin(x, c).unsqueeze(-1)
    return mobius_add(x, exp0(shortened(v, _SATURATED / c**0.5 * margin.detach()) / margin, c), c)


def log_at(x: Tensor, y: Tensor, c: Curvature = 1.0) -> Tensor:
    """Return the tangent vector ``(..., D)`` at x with ``exp_x(v) = y``."""
    x = widen(x)
    margin = _margin(x, _checked(c))
    return _with_length(mobius_add(-x, y, c) * margin.unsqueeze(-1), distance(x, y, c) * margin / 2)


def project(x: Tensor, c: Curvature = 1.0, eps: float | None = None) -> Tensor:
    """Return vectors ``(..., D)`` scaled to a norm of at most ``(1 - eps) / sqrt(c)``.

    Args:
        x: Vectors of any norms.
        c: Curvature.
        eps: Default: 1e-5 in float64 and 4e-3 in float32, as in HazyResearch/HypHC, utils/poincare.py, and
            in geoopt.
    """
    c, x = _checked(c), widen(x)
    if eps is None:
        eps = 1e-5 if x.dtype == torch.float64 else 4e-3
    if not 0 < eps < 1:
        raise ValueError(f"project: eps is {eps}, expected a margin between 0 and 1 (float64: 1e-5)")
    limit = (1 - eps) / c**0.5
    x = shortened(x, limit)
    norm = safe_sqrt(_dot(x, x))
    return x * (limit / norm.where(norm > limit, 1)).where(norm > limit, 1)


def einstein_midpoint(points: Tensor, weights: Tensor | None = None, c: Curvature = 1.0) -> Tensor:
    """Return the midpoint ``(D,)`` of points ``(N, D)``.

    It is their mean in Klein's disk, weighted by Lorentz factors.

    Args:
        points: In the ball.
        weights: ``(N,)`` not negative, for instance cluster sizes; None: all 1.
        c: Curvature.

    It is the prototype of a merged class, which the paper does not define:
        docs/methods/shhc.md#merged-classes.
    """
    c, points = _checked(c), widen(points)
    squares = c * points.square().sum(-1, keepdim=True)
    factors = (1 + squares) / _margin(points, c).unsqueeze(-1)
    if weights is not None:
        factors = factors * weights.to(factors).unsqueeze(-1)
    mean = (factors * 2 * points / (1 + squares)).sum(0) / factors.sum(0)
    return mean / (1 + safe_sqrt(1 - c * mean.square().sum()))


def shortened(v: Tensor, limit: float | Tensor) -> Tensor:
    """Scale vectors ``(..., D)`` with an entry beyond ``limit`` until it is there; their directions stay.

    Their squared norms would exceed the number format. The caller uses only the directions of vectors whose
    norms exceed the limit, so the factor needs no gradient.
    """
    largest = v.detach().abs().amax(-1, keepdim=True)
    beyond = largest > limit
    return v * (limit / largest.where(beyond, 1)).where(beyond, 1)


def safe_sqrt(squares: Tensor) -> Tensor:
    """Return the square root, or 0 with gradient 0 for values that are not positive."""
    positive = squares > 0
    return squares.where(positive, 1).sqrt().where(positive, 0)


def widen(x: Tensor) -> Tensor:
    """Return x in float32 at least."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _checked(c: Curvature) -> Curvature:
    if not isinstance(c, Tensor) and not (c > 0 and math.isfinite(c)):
        raise ValueError(f"Poincaré ball: curvature c is {c}, expected a positive number (paper: 1)")
    return c


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(-1, keepdim=True)


def _tiny(x: Tensor) -> float:
    return 2 * torch.finfo(x.dtype).eps


def _margin(x: Tensor, c: Curvature) -> Tensor:
    """Return ``1 - c |x|^2 (...)``, positive also on the border."""
    return (1 - c * x.square().sum(-1)).clamp_min(_tiny(x))


def _from_gap(gap: Tensor, margin_x: Tensor, margin_y: Tensor, c: Curvature) -> Tensor:
    return 2 / c**0.5 * (c**0.5 * gap / (margin_x * margin_y).sqrt()).asinh()


def _with_length(x: Tensor, length: Tensor) -> Tensor:
    """Return x scaled to the given length; a zero vector stays zero."""
    norm = safe_sqrt(_dot(x, x))
    return x * (length.unsqueeze(-1) / norm.where(norm > 0, 1)).where(norm > 0, 1)
