"""Linkage and decoding, beside scipy, scikit-learn, and decoding done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering

from tests._helpers.hierarchy_oracles import ball_points, brute_force_cost, clusters, random_leaves
from unlabelled.hierarchy import Leaves, Linkage, Tree, cosine_depth, decode, with_average_heights
from unlabelled.hierarchy.linkage import LINKAGES, LinkageName


@pytest.mark.parametrize("name", LINKAGES)
@pytest.mark.parametrize("similarity", ["half_cosine", "positive_cosine"])
def test_linkage_is_that_of_scikit_learn(name: LinkageName, similarity: str) -> None:
    leaves = random_leaves(25, 0, similarity)
    found = Linkage(name).fit(leaves)
    model = AgglomerativeClustering(
        linkage=name, metric="euclidean" if name == "ward" else "precomputed", compute_full_tree=True
    ).fit(leaves.features if name == "ward" else leaves.dissimilarity)
    if similarity == "half_cosine" or name in ("average", "ward"):  # else many distances are equal
        assert clusters(found.tree) == clusters(Tree(model.children_))
    cost = brute_force_cost(found.tree, leaves.similarity)
    assert found.report["dasgupta_1x"] == pytest.approx(cost)


def test_ward_without_features_takes_the_same_distances() -> None:
    leaves = random_leaves(20, 1, "half_cosine")
    bare = Leaves.from_similarity(leaves.similarity)
    assert clusters(Linkage("ward").fit(bare).tree) != clusters(Linkage("single").fit(bare).tree)
    assert leaves.features is not None
    squares = pdist(leaves.features) ** 2
    np.testing.assert_allclose(squareform(squares) / 4, leaves.dissimilarity, atol=1e-12)
    assert clusters(Linkage("ward").fit(bare).tree) == clusters(Linkage("ward").fit(leaves).tree)


def test_average_heights_are_those_of_average_linkage() -> None:
    leaves = random_leaves(30, 2)
    tree = Linkage("average").fit(leaves).tree
    again = with_average_heights(Tree(tree.merges), leaves)
    np.testing.assert_allclose(again.heights, tree.heights)
    np.testing.assert_array_equal(again.merges, tree.merges)
    counted = random_leaves(3, 0, "half_cosine", counts=True)
    heights = with_average_heights(Tree([[0, 1], [3, 2]]), counted).heights
    n, w = counted.counts, counted.similarity
    joined = 1 - (n[0] * w[0, 2] + n[1] * w[1, 2]) / (n[0] + n[1])
    assert heights.tolist() == pytest.approx([1 - w[0, 1], max(1 - w[0, 1], joined)])


@pytest.mark.parametrize("name", ["average", "ward"])
def test_a_leaf_that_weighs_by_size_is_as_many_equal_samples(name: LinkageName) -> None:
    """Compare with scipy's linkage of all samples, in which those of a leaf are merged first."""
    leaves = random_leaves(25, 4, "half_cosine")
    counts = np.random.default_rng(0).integers(1, 6, 25)
    assert leaves.features is not None
    found = Linkage(name, by_size=True).fit(Leaves.from_features(leaves.features, counts=counts)).tree
    samples = Linkage(name).fit(Leaves.from_features(np.repeat(leaves.features, counts, axis=0))).tree
    np.testing.assert_allclose(found.heights, samples.heights[-24:])
    first = np.cumsum(counts) - counts
    for cut in range(2, 25):
        pairs = set(zip(found.cut(cut).tolist(), samples.cut(cut)[first].tolist(), strict=True))
        assert len(pairs) == cut
    equal = Linkage(name, by_size=True).fit(leaves).tree
    assert clusters(equal) == clusters(Linkage(name).fit(leaves).tree)
    assert clusters(found) != clusters(equal)


@pytest.mark.parametrize("name", LINKAGES)
def test_leaves_that_weigh_by_size_may_be_few_or_equal(name: LinkageName) -> None:
    for rows in (np.eye(3)[:1], np.eye(3)[:2], np.ones((5, 2)), np.zeros((4, 2))):
        counts = np.arange(1.0, len(rows) + 1)
        tree = Linkage(name, by_size=True).fit(Leaves.from_features(rows, counts=counts)).tree
        assert tree.num_leaves == len(rows)
        assert np.isfinite(tree.heights).all()


@pytest.mark.parametrize("name", LINKAGES)
def test_one_and_two_leaves(name: LinkageName) -> None:
    assert Linkage(name).fit(Leaves.from_features([[1.0, 0.0]])).tree.num_leaves == 1
    two = Linkage(name).fit(Leaves.from_features([[1.0, 0.0], [0.0, 1.0]]))
    assert two.report["dasgupta_1x"] == pytest.approx(2 * 0.5)


def test_decoding_on_one_radius_is_linkage_of_cosines() -> None:
    directions = torch.nn.functional.normalize(ball_points(40, 8, 0), dim=1)
    cosines = (directions @ directions.T).numpy()
    depths = cosine_depth(directions @ directions.T, 0.9)
    expected = Tree.from_linkage(linkage(squareform(1 - cosines, checks=False), "single"))
    assert clusters(decode(depths, "single")) == clusters(expected)
    assert clusters(decode(cosine_depth(directions @ directions.T, 0.3), "single")) == clusters(expected)
    assert clusters(decode(depths, "average")) != clusters(expected)
    deepest = float(depths.fill_diagonal_(0).max())
    assert decode(depths, "average").heights[0] == pytest.approx(0, abs=1e-12)
    gaps = deepest - depths.numpy()
    rows = linkage(squareform(gaps, checks=False), "average")
    assert clusters(decode(depths, "average")) == clusters(Tree.from_linkage(rows))


def test_decoding_a_tree_that_was_drawn() -> None:
    angles = torch.tensor([0.0, 0.1, 0.5, 0.55, 2.0], dtype=torch.float64)
    depths = cosine_depth((angles[:, None] - angles).cos(), 0.9)
    expected = {frozenset({2, 3}), frozenset({0, 1}), frozenset({0, 1, 2, 3}), frozenset(range(5))}
    assert {group for group in clusters(decode(depths, "single")) if len(group) > 1} == expected


def test_complaints() -> None:
    with pytest.raises(ValueError, match="method is 'median'"):
        Linkage("median")
    with pytest.raises(ValueError, match="method is 'ward'"):
        decode(torch.zeros(3, 3), "ward")
    with pytest.raises(ValueError, match="all finite"):
        decode(torch.full((3, 3), torch.nan))
