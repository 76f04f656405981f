"""UFit: an ultrametric on a sparse graph, fitted by gradient descent (Chierchia & Perret, arXiv:1905.10566).

Each edge has a learned weight. The tree is the single linkage of these weights, and the ultrametric of an
edge is the height at which its ends are joined: one of the weights, so a loss of the ultrametric has a
gradient.

This implementation uses torch and scipy. The released code, PerretB/ultrametric-fitting
(ultrametric/graph.py, loss.py and optimization.py), halves the weights of neighbours that are not mutual and
keeps the weights after the best step; here they are not halved, the weights before the best step are kept,
and dissimilarities are scaled to at most 1: docs/methods/shhc.md#ufit.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.tree import Floats, Indices, Tree

UFitLoss = Literal["dasgupta", "closest_and_cluster_size"]
WINDOW = 30
"""Steps of a window; optimisation ends when the mean losses of two windows are close."""


class UFit(HierarchyMethod):
    """Single linkage of learned weights on the graph of nearest neighbours and the minimum spanning tree.

    Args:
        loss: ``dasgupta``, the mean of w times the soft number of leaves under an edge; or
            ``closest_and_cluster_size``, the squared distance to the dissimilarities, plus heights divided by
            the size of the smaller child.
        num_neighbours: Number of nearest neighbours of each leaf in the graph.
        max_steps: Largest number of steps of Adam (with AMSGrad).
        lr: Learning rate.
        sharpness: Sharpness of the sigmoid that counts leaves.
        cluster_size_weight: Weight of the second term of ``closest_and_cluster_size``.
        tolerance: Optimisation ends when the mean losses of the last two windows of 30 steps differ by less
            than this share of the progress.
    """

    def __init__(
        self,
        loss: UFitLoss = "dasgupta",
        num_neighbours: int = 5,
        max_steps: int = 500,
        lr: float = 0.1,
        sharpness: float = 5.0,
        cluster_size_weight: float = 1.0,
        tolerance: float = 0.005,
    ) -> None:
        if loss not in ("dasgupta", "closest_and_cluster_size"):
            raise ValueError(f"UFit: loss is {loss!r}, expected dasgupta or closest_and_cluster_size")
        if num_neighbours < 1 or max_steps < 0 or not lr > 0 or not sharpness > 0:
            raise ValueError(
                f"UFit: num_neighbours={num_neighbours}, max_steps={max_steps}, lr={lr}, "
                f"sharpness={sharpness}; expected at least 1, at least 0, and positive numbers"
            )
        self.loss, self.num_neighbours, self.max_steps, self.lr = loss, num_neighbours, max_steps, lr
        self.sharpness, self.cluster_size_weight, self.tolerance = sharpness, cluster_size_weight, tolerance

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the tree of the lowest loss; ``seed`` is unused."""
        if len(leaves) == 1:
            return Hierarchy(Tree([]), report={"dasgupta_1x": 0.0})
        distances = leaves.dissimilarity / (leaves.dissimilarity.max() or 1)
        edges = neighbour_edges(distances, self.num_neighbours)
        given = torch.from_numpy(distances[edges[:, 0], edges[:, 1]])
        similarity = torch.from_numpy(leaves.similarity[edges[:, 0], edges[:, 1]])
        with torch.enable_grad():
            weights, steps = self._optimise(edges, given, similarity, len(leaves))
        tree = single_linkage(edges, F.softplus(weights), len(leaves)).tree
        cost = dasgupta_1x(tree, leaves.weights, leaves.counts)
        return Hierarchy(tree, report={"dasgupta_1x": cost, "steps": float(steps)})

    def _optimise(
        self, edges: Indices, given: Tensor, similarity: Tensor, num_leaves: int
    ) -> tuple[Tensor, int]:
        """Return the best weights before softplus ``(E,)``, and the number of steps."""
        start = single_linkage(edges, given, num_leaves)
        weights = start.heights[start.joined_at].clone().requires_grad_(True)
        optimizer = torch.optim.Adam([weights], lr=self.lr, amsgrad=True)
        best, losses = weights.detach().clone(), []
        for _ in range(self.max_steps):
            fitted = single_linkage(edges, F.softplus(weights), num_leaves)
            loss = self._loss(fitted, given, similarity)
            losses.append(float(loss.detach()))
            if losses[-1] <= min(losses):
                best = weights.detach().clone()
            if self._has_converged(losses):
                break
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return best, len(losses)

    def _loss(self, fitted: _Linked, given: Tensor, similarity: Tensor) -> Tensor:
        if self.loss == "dasgupta":
            return (soft_sizes(fitted, self.sharpness)[fitted.joined_at] * similarity).mean()
        ultrametric = fitted.heights[fitted.joined_at]
        smaller = torch.from_numpy(fitted.tree.sizes[fitted.tree.merges].min(1))
        sizes = smaller.to(ultrametric.dtype)[fitted.joined_at]
        return (ultrametric - given).square().mean() + self.cluster_size_weight * (ultrametric / sizes).mean()

    def _has_converged(self, losses: list[float]) -> bool:
        if len(losses) < 2 * WINDOW:
            return False
        before, now = np.mean(losses[-2 * WINDOW : -WINDOW]), np.mean(losses[-WINDOW:])
        progress = abs(max(losses) - now)
        return bool(progress >= 1e-5 and abs(before - now) < self.tolerance * progress)


class _Linked(NamedTuple):
    """Single linkage of weighted edges.

    Attributes:
        tree: Tree over the leaves.
        heights: ``(K-1,)`` weights of the edges that cause the merges; with a gradient.
        joined_at: ``(E,)`` the merge that joins the ends of each edge.
        ends: ``(K-1, 2)`` the ends of the edge that causes each merge.
        ancestors: ``(K, K)`` the merge that joins two leaves; -1 on the diagonal.
    """

    tree: Tree
    heights: Tensor
    joined_at: Tensor
    ends: Indices
    ancestors: Indices


def neighbour_edges(distances: Floats, num_neighbours: int) -> Indices:
    """Return the edges ``(E, 2)``, i < j, between nearest neighbours and of the minimum spanning tree."""
    from scipy.sparse.csgraph import minimum_spanning_tree

    others = distances + np.diag(np.full(len(distances), np.inf))
    count = min(num_neighbours, len(distances) - 1)
    nearest = np.argsort(others, axis=1, kind="stable")[:, :count]
    spanning = minimum_spanning_tree(np.triu(distances + 1, 1)).tocoo()  # an entry of 0 would not be an edge
    pairs = np.concatenate(
        [
            np.stack([np.repeat(np.arange(len(distances)), count), nearest.ravel()], 1),
            np.stack([spanning.row, spanning.col], 1),
        ]
    )
    return np.unique(np.sort(pairs, 1), axis=0).astype(np.int64)


def single_linkage(edges: Indices, weights: Tensor, num_leaves: int) -> _Linked:
    """Merge along ``edges (E, 2)``, which connect all leaves, in the order of their ``weights (E,)``."""
    above = list(range(num_leaves))  # a node above each node, or the node itself if it is a root

    def cluster(node: int) -> int:
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    merges, chosen = [], []
    for edge in weights.detach().argsort(stable=True).tolist():
        left, right = (cluster(node) for node in edges[edge].tolist())
        if left != right:
            merges.append((left, right))
            chosen.append(edge)
            above.append(len(above))
            above[left] = above[right] = len(above) - 1
    heights = weights[chosen]
    tree = Tree(merges, heights.detach().numpy())
    ancestors = np.maximum(tree.lowest_ancestors - tree.num_leaves, -1)  # merges; -1 for leaves
    joined_at = torch.from_numpy(ancestors[edges[:, 0], edges[:, 1]])
    return _Linked(tree, heights, joined_at, edges[chosen], ancestors)


def soft_sizes(linked: _Linked, sharpness: float) -> Tensor:
    """Return the soft number of leaves under each merge ``(K-1,)``.

    It is the sum of ``sigmoid(sharpness (height - u(x, v)))`` over all leaves v, averaged over the two ends x
    of the merge's edge; u is the ultrametric.
    """
    heights = torch.cat([linked.heights, linked.heights.new_zeros(1)])  # index -1: the height of a leaf
    ultrametric = heights[torch.from_numpy(linked.ancestors[linked.ends])]  # (K-1, 2, K)
    return (sharpness * (linked.heights[:, None, None] - ultrametric)).sigmoid().sum(2).mean(1)
