"""The geometry of hierarchies."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tests.gpu.inputs import Cases, Inputs
from unlabelled.hierarchy import (
    EuclideanSpace,
    Manifold,
    PoincareBall,
    RiemannianAdam,
    conformal_factor,
    cosine_depth,
    distance,
    distance_to_origin,
    einstein_midpoint,
    equal_radius_depth,
    exp0,
    exp_at,
    gromov_product,
    lca_point,
    line_depth,
    line_foot,
    log0,
    log_at,
    mobius_add,
    pairwise_distance,
    project,
    segment_depth,
    triplet_loss,
)
from unlabelled.hierarchy.lca import closest_on_segment
from unlabelled.hierarchy.poincare import safe_sqrt, shortened, widen
from unlabelled.hierarchy.riemannian_adam import transport
from unlabelled.hierarchy.rotation import rotate_onto


def _point(x: Inputs) -> Tensor:
    return exp0(x.learned(x.normal(7, 3)))


def _two(function: Any) -> Any:
    return lambda x: function(_point(x), _point(x))


def _spaces(manifold: Manifold) -> Any:
    def compute(x: Inputs) -> Any:
        points = manifold.embed(x.learned(x.normal(7, 3)))
        others = manifold.embed(x.normal(7, 3))
        cosines = x.uniform(7)
        return (
            manifold.pairwise_distance(points, others),
            manifold.cosine_depth(cosines, 0.5),
            manifold.midpoint(points),
            manifold.ancestor(points[0], others[0]),
        )

    return compute


def _adam(x: Inputs) -> Tensor:
    points = nn.Parameter(exp0(x.normal(7, 3)))
    optimizer = RiemannianAdam([points], lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        pairwise_distance(points, points).square().sum().backward()
        optimizer.step()
    return points.detach()


GEOMETRY: Cases = {
    "exp0": lambda x: exp0(x.learned(x.normal(7, 3))),
    "log0": lambda x: log0(_point(x)),
    "project": lambda x: project(x.learned(x.normal(7, 3)), eps=0.01),
    "mobius_add": _two(mobius_add),
    "distance": _two(distance),
    "pairwise_distance": _two(pairwise_distance),
    "distance_to_origin": lambda x: distance_to_origin(_point(x)),
    "conformal_factor": lambda x: conformal_factor(_point(x)),
    "exp_at": lambda x: exp_at(_point(x), x.normal(7, 3)),
    "log_at": _two(log_at),
    "einstein_midpoint": lambda x: einstein_midpoint(_point(x), x.uniform(7)),
    "shortened": lambda x: shortened(x.learned(x.normal(7, 3)), 0.5),
    "safe_sqrt": lambda x: safe_sqrt(x.learned(x.uniform(7))),
    "widen": lambda x: widen(x.normal(7)),
    "transport": lambda x: transport(_point(x), _point(x), x.normal(7, 3)),
    "rotate_onto": lambda x: rotate_onto(x.normal(9, 3), x.normal(9, 3)),
    "cosine_depth": lambda x: cosine_depth(x.uniform(7), 0.5),
    "equal_radius_depth": lambda x: equal_radius_depth(x.unit(7, 3), x.unit(7, 3), 0.5),
    "line_depth": _two(line_depth),
    "line_foot": _two(line_foot),
    "segment_depth": _two(segment_depth),
    "closest_on_segment": _two(closest_on_segment),
    "gromov_product": _two(gromov_product),
    "lca_point": _two(lca_point),
    "triplet_loss": lambda x: triplet_loss(x.learned(x.normal(3, 8)), x.uniform(3, 8), 0.2),
    "PoincareBall": _spaces(PoincareBall()),
    "EuclideanSpace": _spaces(EuclideanSpace()),
    "RiemannianAdam": _adam,
}
