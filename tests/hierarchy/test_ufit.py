"""UFit: its single linkage beside scipy, its soft sizes by counting, its gradients, its progress."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from tests._helpers.hierarchy_oracles import clusters, random_leaves
from unlabelled.hierarchy import Tree, UFit
from unlabelled.hierarchy.ufit import neighbour_edges, single_linkage, soft_sizes


def complete(num_leaves: int, seed: int) -> tuple[np.ndarray, torch.Tensor]:
    edges = np.stack(np.triu_indices(num_leaves, 1), 1)
    weights = torch.rand(len(edges), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + 0.1
    return edges, weights


def test_single_linkage_of_all_edges_is_that_of_scipy() -> None:
    edges, weights = complete(15, 0)
    found = single_linkage(edges, weights, 15)
    rows = linkage(weights.numpy(), "single")
    assert clusters(found.tree) == clusters(Tree.from_linkage(rows))
    np.testing.assert_allclose(found.heights, rows[:, 2])
    np.testing.assert_allclose(found.heights[found.joined_at], cophenet(rows))
    ends = edges[[np.flatnonzero(weights.numpy() == height)[0] for height in found.heights.numpy()]]
    np.testing.assert_array_equal(found.ends, ends)


def test_higra_has_the_same_ultrametric_on_a_sparse_graph() -> None:
    hg = pytest.importorskip("higra")
    distances = squareform(np.random.default_rng(0).random(190))
    edges = neighbour_edges(distances, 3)
    weights = distances[edges[:, 0], edges[:, 1]]
    graph = hg.UndirectedGraph(20)
    graph.add_edges(edges[:, 0], edges[:, 1])
    tree, altitudes = hg.bpt_canonical(graph, weights)
    found = single_linkage(edges, torch.from_numpy(weights), 20)
    np.testing.assert_allclose(found.heights[found.joined_at], hg.saliency(tree, altitudes))
    np.testing.assert_allclose(found.heights, altitudes[20:])


def test_soft_sizes_are_sizes_when_sharp() -> None:
    edges, weights = complete(12, 1)
    found = single_linkage(edges, weights, 12)
    blunt = soft_sizes(found, 5.0)
    ultrametric = squareform(found.heights[found.joined_at].numpy())
    merge = 6
    by_hand = [
        sum(1 / (1 + np.exp(-5.0 * (found.heights[merge].item() - ultrametric[end, v]))) for v in range(12))
        for end in found.ends[merge]
    ]
    assert blunt[merge].item() == pytest.approx(np.mean(by_hand))
    sharp = soft_sizes(found, 1e6)  # leaves joined at the very height count half
    sizes = found.tree.sizes[12:]
    halves = found.tree.sizes[found.tree.merges].mean(1) / 2
    np.testing.assert_allclose(sharp, sizes - halves, atol=1e-6)


def test_gradients_are_those_of_differences() -> None:
    edges, weights = complete(6, 2)
    weights.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda w: soft_sizes(single_linkage(edges, w, 6), 5.0), (weights,))


def test_the_graph_is_connected_also_with_equal_leaves() -> None:
    rng = np.random.default_rng(0)
    for distances in (np.zeros((7, 7)), squareform(rng.random(45)), 1 - np.kron(np.eye(4), np.ones((3, 3)))):
        edges = neighbour_edges(distances, 2)
        assert (edges[:, 0] < edges[:, 1]).all()
        assert len(np.unique(edges, axis=0)) == len(edges)
        graph = np.zeros_like(distances)
        graph[edges[:, 0], edges[:, 1]] = 1
        assert connected_components(graph)[0] == 1
    nearest = squareform(rng.random(45))
    for row in neighbour_edges(nearest, 1).tolist():
        assert row[0] != row[1]


@pytest.mark.parametrize("loss", ["dasgupta", "closest_and_cluster_size"])
def test_fitting_lowers_the_loss(loss: str) -> None:
    leaves = random_leaves(25, 0, "half_cosine")
    method = UFit(loss)
    found = method.fit(leaves)
    assert 60 <= found.report["steps"] <= 500
    distances = leaves.dissimilarity / leaves.dissimilarity.max()
    edges = neighbour_edges(distances, 5)
    given = torch.from_numpy(distances[edges[:, 0], edges[:, 1]])
    similarity = torch.from_numpy(leaves.similarity[edges[:, 0], edges[:, 1]])
    weights, _ = method._optimise(edges, given, similarity, 25)
    start = single_linkage(edges, given, 25)
    raised = torch.nn.functional.softplus(start.heights[start.joined_at])
    costs = [
        float(method._loss(single_linkage(edges, values, 25), given, similarity))
        for values in (raised, torch.nn.functional.softplus(weights))
    ]
    assert costs[1] < 0.99 * costs[0]


def test_complaints() -> None:
    with pytest.raises(ValueError, match="loss is 'triplet'"):
        UFit("triplet")
    with pytest.raises(ValueError, match="num_neighbours=0"):
        UFit(num_neighbours=0)
