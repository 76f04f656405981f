from __future__ import annotations

import numpy as np
import pytest

from tests._helpers.hierarchy_oracles import brute_force_cost
from unlabelled.commands.hierarchy import sample_cost as sample_cost_module
from unlabelled.commands.hierarchy.pre_clusters import PreClustering, PreClusters, unit_chunks
from unlabelled.commands.hierarchy.sample_cost import SampleCost, pair_sums
from unlabelled.hierarchy import Leaves, Linkage, Similarity, Tree, dasgupta_1x_half_cosine, unit_rows
from unlabelled.hierarchy.tree import Floats

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(24, 3)) * np.exp(RNG.normal(size=(24, 1)))
FEATURES[7] = 0
LABELS = np.array([5, 5, 0, 3, 3, 0, 5, 0, 3, 3, 3, 1] * 2)  # 2 and 4 of 6 are empty


def blobs(per_blob: int, num_blobs: int = 6, dim: int = 16) -> Floats:
    centres = np.eye(dim)[:num_blobs]
    rows: Floats = (centres[:, None] + 0.05 * RNG.normal(size=(num_blobs, per_blob, dim))).reshape(-1, dim)
    return rows


def completed(tree: Tree, pre: PreClusters, similarity: Similarity) -> Tree:
    """Return the tree over all samples by the parents of its nodes: average linkage inside every leaf."""
    num_samples = len(pre.labels)
    parents = [-1] * (2 * num_samples - 1)
    new, tops = num_samples, []
    for leaf in range(len(pre.counts)):
        members = np.flatnonzero(pre.labels == leaf)
        names = members.tolist()
        if len(members) > 1:
            inner = Linkage("average").fit(Leaves.from_features(FEATURES[members], similarity)).tree
            for pair in inner.merges.tolist():
                for child in pair:
                    parents[names[child]] = new
                names.append(new)
                new += 1
        tops.append(names[-1])
    for pair in tree.merges.tolist():
        for child in pair:
            parents[tops[child]] = new
        tops.append(new)
        new += 1
    return Tree.from_parents(parents)


def test_clusters_without_samples_are_left_out() -> None:
    pre = PreClusters.of_labels(FEATURES, LABELS, 6)
    assert pre.clusters.tolist() == [0, 1, 3, 5]
    assert np.array_equal(pre.clusters[pre.labels], LABELS)
    unit = unit_rows(FEATURES)
    for leaf, cluster in enumerate(pre.clusters):
        members = unit[cluster == LABELS]
        assert pre.counts[leaf] == len(members)
        np.testing.assert_allclose(pre.centroids[leaf], members.mean(0), atol=1e-15)
        best = np.flatnonzero(cluster == LABELS)[(members @ members.sum(0)).argmax()]
        assert pre.medoids(FEATURES)[leaf] == best
    assert pre.directed.sum() == 23
    assert len(pre.leaves()) == 4


def test_every_row_is_a_leaf() -> None:
    pre = PreClusters.of_rows(FEATURES)
    expected = Leaves.from_features(FEATURES)
    np.testing.assert_allclose(pre.leaves().similarity, expected.similarity, atol=1e-15)
    assert np.array_equal(pre.leaves().counts, expected.counts)


def test_chunks_are_unit_rows_in_order() -> None:
    rows = RNG.normal(size=(20_000, 2)).astype(np.float32)
    chunks = list(unit_chunks(rows))
    assert [begin for begin, _ in chunks] == [0, 8192, 16384]
    np.testing.assert_allclose(
        np.concatenate([chunk for _, chunk in chunks]), unit_rows(rows.astype(np.float64))
    )


def test_separate_blobs_are_found_for_any_norms_of_rows() -> None:
    rows = blobs(20) * np.exp(RNG.normal(size=(120, 1)))
    pre = PreClustering().fit(rows, 6, seed=1)
    assert pre.counts.tolist() == [20] * 6
    assert all(len(set(pre.labels[begin : begin + 20])) == 1 for begin in range(0, 120, 20))
    assert np.array_equal(pre.labels, PreClustering().fit(rows, 6, seed=1).labels)
    assert pre.report["sinkhorn_error"] <= 1e-3


def test_a_sharper_plan_has_more_equal_sizes() -> None:
    rows = np.concatenate([blobs(60, 1), blobs(10)])
    loose, sharp = (PreClustering(lambda_=value).fit(rows, 12).counts for value in (1, 20))
    assert sharp.std() < loose.std()


def test_equal_rows_are_one_leaf() -> None:
    pre = PreClustering().fit(np.ones((30, 4), dtype=np.float32), 5)
    assert pre.counts.tolist() == [30]
    assert pre.num_clusters == 5


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="24 clusters of 24 rows"):
        PreClustering().fit(FEATURES, 24)
    with pytest.raises(ValueError, match="temperature=0"):
        PreClustering(temperature=0)


@pytest.mark.parametrize("similarity", ["half_cosine", "positive_cosine"])
def test_the_cost_over_samples_is_that_of_the_completed_tree(similarity: Similarity) -> None:
    pre = PreClusters.of_labels(FEATURES, LABELS, 6)
    tree = Linkage("complete").fit(pre.leaves(similarity)).tree
    cost = SampleCost.of(FEATURES, pre, similarity)
    samples = Leaves.from_features(FEATURES, similarity)
    whole = completed(tree, pre, similarity)
    assert cost.cost_1x(tree) == pytest.approx(brute_force_cost(whole, samples.similarity), rel=1e-12)
    assert cost.completion == "4 pre-clusters completed by average linkage"


@pytest.mark.parametrize("similarity", ["half_cosine", "positive_cosine"])
def test_stars(similarity: Similarity) -> None:
    pre = PreClusters.of_labels(FEATURES, LABELS, 6)
    samples = Leaves.from_features(FEATURES, similarity)
    tree = Linkage("average").fit(pre.leaves(similarity)).tree
    stars = SampleCost.of(FEATURES, pre, similarity, largest_linked=0)
    sums = pair_sums(FEATURES, pre, similarity)
    inside = [np.triu(samples.similarity[np.ix_(m, m)]).sum() for m in (pre.labels == k for k in range(4))]
    np.testing.assert_allclose(sums.diagonal(), inside, atol=1e-12)
    assert stars.within == pytest.approx(float(np.dot(inside, pre.counts)))
    assert stars.num_stars == 4
    assert "4 larger ones as stars" in stars.completion
    if similarity == "half_cosine":
        rows = np.delete(np.arange(24), 7)  # that formula requires rows that are not zero
        directed = PreClusters.of_labels(FEATURES[rows], LABELS[rows], 6)
        cost = SampleCost.of(FEATURES[rows], directed, similarity, largest_linked=0).cost_1x(tree)
        assert cost == pytest.approx(dasgupta_1x_half_cosine(tree, directed.sums, directed.counts))


def test_all_pairs_of_many_samples_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_cost_module, "LARGEST_POSITIVE", 23)
    pre = PreClusters.of_labels(FEATURES, LABELS, 6)
    with pytest.raises(ValueError, match="24 samples with positive_cosine"):
        SampleCost.of(FEATURES, pre, "positive_cosine")
    assert SampleCost.of(FEATURES, pre, "half_cosine").within > 0
