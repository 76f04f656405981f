"""Embedding and the methods around it, through their one interface."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from tests._helpers.hierarchy_oracles import brute_force_cost, clusters, members, random_leaves
from unlabelled.hierarchy import (
    EuclideanSpace,
    ExponentialStart,
    Hierarchy,
    HierarchyMethod,
    HypHC,
    Leaves,
    Linkage,
    LocalSearch,
    LocalSearchTree,
    Manifold,
    NeighbourTree,
    PairCoveringTriplets,
    PoincareBall,
    PostClustering,
    RandomStart,
    TripletEmbedding,
    UFit,
    UniformTriplets,
    dasgupta_1x,
    distance_to_origin,
    merged_prototypes,
    node_points,
    segment_depth,
)
from unlabelled.hierarchy.linkage import LINKAGES
from unlabelled.hierarchy.placed_leaves import SharedRadius
from unlabelled.hierarchy.starts import principal_components
from unlabelled.hierarchy.triplets import triplet_loss


def tree_of_blobs(seed: int = 0) -> tuple[Leaves, list[int]]:
    """Three clusters of two clusters of five leaves, and the label of the six small ones."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(3, 1, 1, 16))
    fine = coarse + 0.5 * rng.normal(size=(3, 2, 1, 16))
    rows = (fine + 0.15 * rng.normal(size=(3, 2, 5, 16))).reshape(30, 16)
    return Leaves.from_features(rows), [row // 5 for row in range(30)]


def quick(**options: object) -> TripletEmbedding:
    arguments = {"triplets": UniformTriplets(2000), "epochs": 6, "batch_size": 256, "dim": 8} | options
    return TripletEmbedding(**arguments)


METHODS: list[HierarchyMethod] = [
    Linkage("ward"),
    LocalSearchTree(PostClustering(quick()), LocalSearch(annealing_sweeps=2, random_starts=1)),
    NeighbourTree(PostClustering(quick()), search=LocalSearch(annealing_sweeps=2, random_starts=1)),
    PostClustering(quick()),
    PostClustering(quick(manifold=EuclideanSpace(), epochs=2)),
    PostClustering(quick(manifold=PoincareBall(0.25), epochs=2)),
    HypHC(quick(dim=2, start=RandomStart(), triplets=PairCoveringTriplets(1000), decoders=("single",))),
    UFit(max_steps=20),
    UFit("closest_and_cluster_size", max_steps=20),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_leaves", [1, 2, 3, 12])
def test_every_method_on_few_leaves_with_counts(method: HierarchyMethod, num_leaves: int) -> None:
    leaves = random_leaves(num_leaves, 0, counts=True)
    found = method.fit(leaves, seed=1)
    assert found.tree.num_leaves == num_leaves
    expected = brute_force_cost(found.tree, leaves.weights, leaves.counts)
    assert found.report["dasgupta_1x"] == pytest.approx(expected)
    again = method.fit(leaves, seed=1)
    np.testing.assert_array_equal(found.tree.merges, again.tree.merges)
    assert (found.points is None) == (again.points is None)
    if found.points is not None and again.points is not None:
        assert torch.equal(found.points, again.points)
        assert found.points.dtype == torch.float64
        assert not found.points.requires_grad
        norms = found.points.norm(dim=1)
        torch.testing.assert_close(norms, norms[:1].expand_as(norms))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [np.ones((6, 4)), np.zeros((6, 4)), np.repeat(np.eye(3), 2, 0)])
def test_every_method_on_equal_leaves(method: HierarchyMethod, rows: np.ndarray) -> None:
    leaves = Leaves.from_features(rows, "positive_cosine")
    found = method.fit(leaves)
    assert np.isfinite(found.report["dasgupta_1x"])
    if found.points is not None:
        assert found.points.isfinite().all()


def test_points_and_so_training_do_not_depend_on_the_local_search() -> None:
    """SHHC learns from the points of the leaves, which both searches take from post-clustering."""
    leaves, given = random_leaves(20, 0, counts=True), PostClustering(quick())
    search = LocalSearch(annealing_sweeps=2, random_starts=1)
    plain, low_cost, graph = (
        method.fit(leaves, seed=1)
        for method in (given, LocalSearchTree(given, search), NeighbourTree(given, search=search))
    )
    assert plain.points is not None
    assert low_cost.points is not None
    assert graph.points is not None
    assert torch.equal(plain.points, low_cost.points)
    assert torch.equal(plain.points, graph.points)
    assert not np.array_equal(low_cost.tree.merges, graph.tree.merges)


@pytest.mark.parametrize(
    "method",
    [LocalSearchTree(PostClustering(quick())), NeighbourTree(Linkage()), PostClustering(quick()), UFit()],
)
def test_planted_clusters_are_found_at_both_levels(method: HierarchyMethod) -> None:
    leaves, labels = tree_of_blobs()
    tree = method.fit(leaves).tree
    small = tree.cut(6)
    assert len(set(zip(small.tolist(), labels, strict=True))) == 6
    large = tree.cut(3)
    assert len(set(zip(large.tolist(), [label // 2 for label in labels], strict=True))) == 3


def test_the_search_is_never_worse_than_what_it_starts_from() -> None:
    for seed in range(2):
        leaves = random_leaves(30, seed)
        found = LocalSearchTree(
            PostClustering(quick()), LocalSearch(annealing_sweeps=1, random_starts=0)
        ).fit(leaves, seed)
        for name in ("single", "complete", "average", "ward"):
            baseline = Linkage(name).fit(leaves)
            assert found.report["dasgupta_1x"] <= baseline.report["dasgupta_1x"]
        published = PostClustering(quick()).fit(leaves, seed)
        assert found.report["cost_given"] == published.report["dasgupta_1x"]
        assert found.report["dasgupta_1x"] <= published.report["dasgupta_1x"]


@pytest.mark.parametrize(
    "rows",
    [
        np.array([[1.0], [-2.0], [0.0], [3.0], [-1.0]], dtype=np.float16),
        np.eye(5, 40, dtype=np.float32),
        -np.ones((4, 3), dtype=np.int64),
        torch.randn(7, 3, generator=torch.Generator().manual_seed(0)).bfloat16(),
    ],
)
def test_the_search_takes_any_features(rows: np.ndarray | Tensor) -> None:
    method = LocalSearchTree(PostClustering(quick(epochs=1)), LocalSearch(annealing_sweeps=1))
    for similarity in ("half_cosine", "positive_cosine"):
        leaves = Leaves.from_features(rows, similarity)
        found = method.fit(leaves)
        best = min(Linkage(name).fit(leaves).report["dasgupta_1x"] for name in LINKAGES)
        assert found.report["dasgupta_1x"] <= best
        assert sorted(found.tree.leaf_order.tolist()) == list(range(len(rows)))


def test_negative_similarities_are_no_obstacle() -> None:
    leaves = Leaves.from_similarity(random_leaves(12, 0, "half_cosine").similarity - 0.7)
    found = LocalSearchTree(PostClustering(quick(epochs=1))).fit(leaves)
    expected = brute_force_cost(found.tree, leaves.weights)
    assert found.report["dasgupta_1x"] == pytest.approx(expected)
    assert found.report["dasgupta_1x"] < Linkage().fit(leaves).report["dasgupta_1x"]


def test_training_improves_on_a_random_start_and_keeps_the_best() -> None:
    leaves, _ = tree_of_blobs(1)
    start = quick(start=RandomStart(), epochs=0).fit(leaves)
    trained = quick(start=RandomStart(), epochs=12).fit(leaves)
    assert trained.report["dasgupta_1x"] < start.report["dasgupta_1x"]
    assert trained.report["epoch"] > 0
    hurried = quick(start=RandomStart(), epochs=12, lr=50.0).fit(leaves)  # goes nowhere: the start is kept
    assert hurried.report["dasgupta_1x"] <= start.report["dasgupta_1x"]
    patient = quick(epochs=50, patience=1, lr=1e-9).fit(leaves)
    assert patient.report["epoch"] == 0


@pytest.mark.parametrize("manifold", [PoincareBall(), EuclideanSpace()])
def test_the_shared_radius_is_learned(manifold: Manifold) -> None:
    leaves, _ = tree_of_blobs(1)
    start = quick(start=RandomStart(), epochs=0, manifold=manifold).fit(leaves)
    trained = quick(start=RandomStart(), epochs=3, manifold=manifold).fit(leaves)
    assert trained.report["epoch"] > 0
    assert abs(trained.report["radius"] / start.report["radius"] - 1) > 1e-3
    placed = SharedRadius(start.points, manifold, 0.9, seed=0)
    corners = torch.tensor([[0, 3], [1, 9], [20, 29]])
    similarities = torch.from_numpy(leaves.similarity)[corners, corners.roll(1, 0)]

    def loss() -> Tensor:
        return triplet_loss(placed.depths(corners), similarities, 0.2).mean()

    (slope,) = torch.autograd.grad(loss(), placed.radius_logit)
    step = 1e-5
    with torch.no_grad():
        placed.radius_logit.add_(step)
        above = loss()
        placed.radius_logit.sub_(2 * step)
        rise = (above - loss()) / (2 * step)
    assert slope.abs() > 1e-6
    torch.testing.assert_close(slope, rise, rtol=1e-4, atol=0)


def test_the_temperature_falls_exponentially(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[float] = []

    def spy(depths: Tensor, similarities: Tensor, temperature: float) -> Tensor:
        used.append(temperature)
        return triplet_loss(depths, similarities, temperature)

    monkeypatch.setattr("unlabelled.hierarchy.embedding.triplet_loss", spy)
    leaves, _ = tree_of_blobs()
    options = {"temperature": 0.8, "last_temperature": 0.1, "batch_size": 128, "patience": 9}
    quick(triplets=UniformTriplets(256), epochs=4, **options).fit(leaves)
    assert used == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1])
    used.clear()
    quick(triplets=UniformTriplets(128), epochs=1, **options).fit(leaves)
    assert used == [0.8]


def test_the_tree_of_local_search_is_cut_at_the_largest_mean_dissimilarity() -> None:
    leaves = random_leaves(14, 0, counts=True)
    tree = (
        LocalSearchTree(Linkage("single"), LocalSearch(annealing_sweeps=1, random_starts=0)).fit(leaves).tree
    )
    heights: list[float] = []
    for left, right in tree.merges.tolist():
        sides = [sorted(members(tree, node)) for node in (left, right)]
        pairs = np.outer(leaves.counts[sides[0]], leaves.counts[sides[1]])
        own = float(np.average(1 - leaves.similarity[np.ix_(*sides)], weights=pairs))
        below = [heights[node - tree.num_leaves] for node in (left, right) if node >= tree.num_leaves]
        heights.append(max(own, *below, 0.0))
    np.testing.assert_allclose(tree.heights, heights)
    assert np.ptp(heights) > 0.1
    assert (np.diff(heights) >= 0).all()


def test_the_embedding_works_without_gradients_around_it() -> None:
    leaves, _ = tree_of_blobs()
    with torch.no_grad():
        assert quick(epochs=1, lr=0.1).fit(leaves).points.shape == (30, 8)


def test_what_is_reported_is_what_is_returned() -> None:
    leaves = random_leaves(20, 0)
    found = quick().fit(leaves)
    assert found.report["radius"] == pytest.approx(found.points.norm(dim=1)[0].item())
    assert found.report["dasgupta_1x"] == found.report[f"cost_{found.decoder}_decoder"]
    other = {"average": "single", "single": "average"}[found.decoder]
    assert found.report["dasgupta_1x"] <= found.report[f"cost_{other}_decoder"]


def test_exponential_start() -> None:
    leaves = random_leaves(12, 0, "half_cosine")
    tangents = ExponentialStart().tangents(leaves, 3, seed=0)
    assert tangents.norm(dim=1).mean().item() == pytest.approx(1)
    wide = ExponentialStart().tangents(leaves, 9, seed=0)
    assert (wide[:, 4:] == 0).all()  # there are only four dimensions
    bare = ExponentialStart().tangents(Leaves.from_similarity(leaves.similarity), 9, seed=0)
    torch.testing.assert_close(gram(bare), gram(wide), rtol=1e-6, atol=1e-7)
    assert leaves.features is not None
    components = principal_components(leaves.features, 4)
    centred = leaves.features - leaves.features.mean(0)
    np.testing.assert_allclose(components @ components.T, centred @ centred.T, atol=1e-12)
    assert (np.diff(np.square(components).sum(0)) <= 1e-12).all()


def gram(points: Tensor) -> Tensor:
    return points @ points.T


def test_prototypes_of_merged_classes() -> None:
    leaves, _ = tree_of_blobs()
    found = LocalSearchTree(PostClustering(quick())).fit(leaves)
    assert found.points is not None
    everything = merged_prototypes(found.tree, found.points, 30)
    order = torch.from_numpy(found.tree.roots(30))
    torch.testing.assert_close(everything, found.points[order])
    torch.testing.assert_close(
        merged_prototypes(found.tree, found.points, 30, "ancestor"), found.points[order]
    )
    labels = torch.from_numpy(found.tree.cut(6))
    for kind in ("midpoint", "ancestor"):
        six = merged_prototypes(found.tree, found.points, 6, kind)
        cosines = (
            torch.nn.functional.normalize(found.points, dim=1) @ torch.nn.functional.normalize(six, dim=1).T
        )
        assert torch.equal(cosines.argmax(1), labels)
        assert (six.norm(dim=1) < found.points.norm(dim=1)[0]).all()
    flat = merged_prototypes(found.tree, found.points, 6, manifold=EuclideanSpace())
    torch.testing.assert_close(flat[2], found.points[labels == 2].mean(0))
    nodes = node_points(found.tree, found.points)
    left, right = found.tree.merges[0]
    torch.testing.assert_close(distance_to_origin(nodes[30]), segment_depth(nodes[left], nodes[right]))
    with pytest.raises(ValueError, match="3 points for a tree of 30 leaves"):
        merged_prototypes(found.tree, found.points[:3], 2)


def test_local_moves_leave_no_points_but_a_tree_with_heights() -> None:
    leaves = random_leaves(25, 3)
    found = LocalSearchTree(PostClustering(quick()), linkages=()).fit(leaves)
    assert isinstance(found, Hierarchy)
    assert ((found.tree.heights >= 0) & (found.tree.heights <= 1)).all()
    assert dasgupta_1x(found.tree, leaves.weights) == pytest.approx(found.report["dasgupta_1x"])
    assert clusters(found.tree) != clusters(Linkage("single").fit(leaves).tree)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim=0"),
        ({"epochs": -1}, "epochs=-1"),
        ({"decoders": ()}, r"decoders=\(\)"),
        ({"radius": 1.0}, "radius=1.0"),
        ({"last_temperature": 0.0}, "last_temperature=0.0"),
    ],
)
def test_complaints(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(**options)
