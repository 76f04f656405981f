"""Prototypes of merged classes: a point for a subtree whose leaves become one class.

Source: sHHC paper (ICCV 2023) section 3.3, "Cluster Merging", which does not define the point:
docs/methods/shhc.md#merged-classes.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from unlabelled.hierarchy.manifolds import Manifold, PoincareBall
from unlabelled.hierarchy.tree import Tree

MergedPrototype = Literal["midpoint", "ancestor"]


def merged_prototypes(
    tree: Tree,
    points: Tensor,
    num_clusters: int,
    kind: MergedPrototype = "midpoint",
    manifold: Manifold | None = None,
) -> Tensor:
    """Return a point ``(num_clusters, D)`` for each cluster of a cut, in the order of its labels.

    Args:
        tree: Tree over K leaves.
        points: ``(K, D)``, points of the leaves in the manifold.
        num_clusters: Number of clusters of the cut.
        kind: ``midpoint`` of the leaves of the cluster; or ``ancestor``, the LCA of the points of its two
            children, computed from the leaves upwards.
        manifold: None: :class:`PoincareBall`.
    """
    if len(points) != tree.num_leaves or kind not in ("midpoint", "ancestor"):
        raise ValueError(
            f"merged prototypes: {len(points)} points for a tree of {tree.num_leaves} leaves, kind={kind!r}; "
            "expected one point per leaf, and midpoint or ancestor"
        )
    space = PoincareBall() if manifold is None else manifold
    roots = tree.roots(num_clusters)
    if kind == "midpoint":
        members = (points[torch.from_numpy(tree.leaves(root))] for root in roots.tolist())
        return torch.stack([space.midpoint(member) for member in members])
    return node_points(tree, points, space)[torch.from_numpy(roots)]


def node_points(tree: Tree, points: Tensor, manifold: Manifold | None = None) -> Tensor:
    """Return points ``(2K-1, D)`` of all nodes: those of leaves, and for merges the LCA of the children."""
    space = PoincareBall() if manifold is None else manifold
    nodes = list(points)
    for left, right in tree.merges.tolist():
        nodes.append(space.ancestor(nodes[left], nodes[right]))
    return torch.stack(nodes)
