"""Clusterers that make trees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unlabelled.clustering import (
    Assignment,
    ClusterContext,
    Clusterer,
    HierarchicalClusterer,
    KMeansClusterer,
    SinkhornClusterer,
    TreeClusterer,
)
from unlabelled.hierarchy import (
    EuclideanSpace,
    HypHC,
    Leaves,
    Linkage,
    PostClustering,
    RandomStart,
    Similarity,
    TripletEmbedding,
    UniformTriplets,
    dasgupta_1x,
)
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.seeding import derive_seed


def small(**options: object) -> TripletEmbedding:
    arguments = {"dim": 3, "triplets": UniformTriplets(500), "epochs": 3, "batch_size": 128} | options
    return TripletEmbedding(**arguments)


def blobs(per_blob: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Four clusters in two pairs, and their labels."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[5.0, 3, 0, 0], [5, -3, 0, 0], [0, 0, 5, 3], [0, 0, 5, -3]])
    noise = 0.1 * torch.randn(4, per_blob, 4, generator=generator)
    labels = torch.arange(4).repeat_interleave(per_blob)
    return (centres[:, None] + noise).flatten(0, 1), labels


def context(features: torch.Tensor | None, head: int = 0) -> ClusterContext:
    return ClusterContext(head, num_clusters=4, num_modalities=1, seed=3, pass_index=0, features=features)


class Arg(Clusterer):
    """Each row goes where its score is highest."""

    def __call__(self, scores: torch.Tensor, context: ClusterContext) -> Assignment:
        return Assignment(scores.argmax(1), {"inner": 1.0}, torch.full((scores.shape[1],), 0.25))

    def state_dict(self) -> dict[str, int]:
        return {"passes": 7}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.loaded = state_dict


def test_leaves_are_the_mean_directions_of_clusters_with_members() -> None:
    features, labels = blobs()
    names = torch.tensor([4, 0, 2, 5])[labels]  # clusters 1 and 3 are empty
    scores = F.one_hot(names, 6).double()
    found = HierarchicalClusterer(Arg(), PostClustering(small()))(scores, context(features))
    tree = found.hierarchy
    assert tree is not None
    assert torch.equal(found.labels, names)
    assert tree.clusters.tolist() == [0, 2, 4, 5]
    assert tree.counts.tolist() == [12.0] * 4
    expected = torch.stack([F.normalize(features[names == k].double(), dim=1).mean(0) for k in (0, 2, 4, 5)])
    torch.testing.assert_close(tree.centroids, expected)
    pairs = tree.cut(2)
    assert pairs[4] == pairs[0] != pairs[2] == pairs[5]
    assert pairs[[1, 3]].tolist() == [-1, -1]
    assert sorted(tree.cut(99)[tree.clusters].tolist()) == [0, 1, 2, 3]
    assert found.report["inner"] == 1
    assert found.report["empty_clusters"] == 2
    assert found.report["hierarchy/dasgupta_1x"] == tree.report["dasgupta_1x"]
    prototypes = tree.prototypes()
    assert prototypes[[1, 3]].isnan().all()
    assert prototypes[tree.clusters].isfinite().all()


def test_an_inner_clusterer_of_features_gets_the_features() -> None:
    features, labels = blobs()
    scores = torch.full((len(features), 4), -torch.inf)  # of no use
    clusterer = HierarchicalClusterer(KMeansClusterer(restarts=10), PostClustering(small()))
    assert clusterer.renumbers_clusters
    found = clusterer(scores, replace(context(features), num_clusters=4))
    assert found.hierarchy is not None
    assert found.hierarchy.tree.num_leaves == 4
    assert len(set(zip(labels.tolist(), found.labels.tolist(), strict=True))) == 4


@pytest.mark.parametrize("similarity", ["half_cosine", "positive_cosine"])
def test_the_tree_is_over_all_pairs_of_samples_by_the_given_similarity(similarity: Similarity) -> None:
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(5).repeat_interleave(torch.tensor([1, 40, 3, 9, 20]))
    features = torch.randn(5, 4, generator=generator)[labels] + 0.1 * torch.randn(73, 4, generator=generator)
    clusterer = HierarchicalClusterer(Arg(), Linkage(), similarity)
    found = clusterer(F.one_hot(labels, 5).double(), context(features))
    unit = F.normalize(features.double(), dim=1)
    means = F.normalize(torch.stack([unit[labels == k].mean(0) for k in range(5)]), dim=1)
    cosines = means @ means.T
    assert cosines.min() < 0
    expected = (1 + cosines) / 2 if similarity == "half_cosine" else cosines.clamp(min=0)
    tree, counts = found.hierarchy, torch.tensor([1.0, 40, 3, 9, 20], dtype=torch.float64)
    assert tree is not None
    leaves = Leaves.from_similarity(expected, counts)
    for name in ("similarity", "counts", "weights"):
        np.testing.assert_allclose(getattr(tree.leaves(), name), getattr(leaves, name), atol=1e-12)
    cost = dasgupta_1x(tree.tree, leaves.weights, leaves.counts)
    assert found.report["hierarchy/dasgupta_1x"] == pytest.approx(cost)
    best = Linkage().fit(leaves).tree
    np.testing.assert_array_equal(tree.tree.merges, best.merges)
    np.testing.assert_allclose(tree.tree.heights, best.heights)


def test_columns_without_a_finite_score_are_left_out_of_the_pre_clustering() -> None:
    features, labels = blobs()
    scores = torch.full((48, 5), -torch.inf, dtype=torch.float64)
    scores[:, [0, 1, 3, 4]] = torch.log(0.05 + 0.8 * F.one_hot(labels, 4).double())
    found = HierarchicalClusterer(SinkhornClusterer(), PostClustering(small()))(scores, context(features))
    assert torch.equal(found.labels, torch.tensor([0, 1, 3, 4])[labels])
    assert found.shares is not None
    assert found.shares.tolist() == [0.25, 0.25, 0, 0.25, 0.25]
    assert found.hierarchy is not None
    assert found.hierarchy.clusters.tolist() == [0, 1, 3, 4]


def test_state_goes_to_the_inner_clusterer() -> None:
    inner = Arg()
    clusterer = HierarchicalClusterer(inner)
    clusterer.load_state_dict(clusterer.state_dict())
    assert inner.loaded == {"passes": 7}


def test_a_tree_over_samples_finds_the_blobs() -> None:
    features, labels = blobs()
    hierarchy = HypHC(small(dim=2, start=RandomStart(), epochs=12, lr=0.05))
    found = TreeClusterer(hierarchy)(torch.zeros(48, 4), context(features))
    tree = found.hierarchy
    assert tree is not None
    assert len(set(zip(found.labels.tolist(), labels.tolist(), strict=True))) == 4
    assert tree.counts.tolist() == [12.0] * 4
    assert tree.prototypes().shape == (4, 2)
    branches = tree.cut(2)[found.labels]
    assert len(set(zip(branches.tolist(), (labels // 2).tolist(), strict=True))) == 2


def test_a_branch_is_the_midpoint_of_its_leaves_in_their_manifold() -> None:
    features, _ = blobs()
    method = PostClustering(small(manifold=EuclideanSpace()))
    found = TreeClusterer(method)(torch.zeros(48, 4), context(features)).hierarchy
    assert found is not None
    whole = method.fit(Leaves.from_features(features), derive_seed(3, "tree", 0, 0))
    assert whole.points is not None
    labels = torch.from_numpy(whole.tree.cut(4))
    means = torch.stack([whole.points[labels == k].mean(0) for k in range(4)])
    torch.testing.assert_close(found.prototypes(), means, atol=1e-5, rtol=0)


def test_branches_keep_their_numbers_from_pass_to_pass() -> None:
    features, labels = blobs()
    clusterer = TreeClusterer(PostClustering(small()))
    first = clusterer(torch.zeros(48, 4), context(features))
    moved = features.flip(0) + 0.01  # the order of rows decides where a branch stands in the tree
    other = TreeClusterer(PostClustering(small()))
    other.load_state_dict(clusterer.state_dict())
    second = other(torch.zeros(48, 4), context(moved))
    assert torch.equal(second.labels, first.labels.flip(0))
    assert first.hierarchy is not None
    assert second.hierarchy is not None
    for k in range(4):
        leaf = second.hierarchy.clusters.tolist().index(k)
        unit = F.normalize(moved[second.labels == k].double(), dim=1)
        torch.testing.assert_close(second.hierarchy.centroids[leaf], unit.mean(0), atol=1e-6, rtol=0)
    assert len(set(zip(first.labels.tolist(), labels.tolist(), strict=True))) == 4


def test_a_tree_over_some_samples_labels_all() -> None:
    features, labels = blobs()
    found = TreeClusterer(PostClustering(small()), max_samples=24)(torch.zeros(48, 4), context(features))
    assert len(set(zip(found.labels.tolist(), labels.tolist(), strict=True))) == 4
    with pytest.raises(ValueError, match="a tree over 3 samples cannot be cut into 4 branches"):
        TreeClusterer(PostClustering(small()), max_samples=3)(torch.zeros(48, 4), context(features))


def test_complaints() -> None:
    features, _ = blobs()
    with pytest.raises(ValueError, match="requires features for centroids"):
        HierarchicalClusterer(Arg())(torch.zeros(3, 2), context(None))
    with pytest.raises(ValueError, match="requires the features of the samples"):
        TreeClusterer()(torch.zeros(3, 2), context(None))
    with pytest.raises(ValueError, match="Linkage has no points"):
        TreeClusterer(Linkage())(torch.zeros(48, 4), context(features))
    with pytest.raises(ValueError, match="max_samples is 0"):
        TreeClusterer(max_samples=0)


def test_a_tree_is_restored_from_a_checkpoint() -> None:
    features, labels = blobs()
    scores = F.one_hot(labels, 5).double()
    tree = HierarchicalClusterer(Arg(), PostClustering(small()))(scores, context(features)).hierarchy
    assert tree is not None
    again = ClusterTree.from_state_dict(tree.state_dict())
    assert again.tree.merges.tolist() == tree.tree.merges.tolist()
    assert again.tree.heights.tolist() == tree.tree.heights.tolist()
    assert torch.equal(again.prototypes().nan_to_num(9), tree.prototypes().nan_to_num(9))
    assert torch.equal(again.centroids, tree.centroids)
    assert (again.num_clusters, again.similarity, again.report) == (5, "half_cosine", tree.report)
    assert again.leaves().similarity.shape == (4, 4)
    bare = ClusterTree.from_hierarchy(
        Linkage().fit(tree.leaves()), tree.clusters, tree.counts, tree.centroids, 5, "half_cosine"
    )
    with pytest.raises(ValueError, match="no points in a manifold"):
        bare.prototypes()
