from __future__ import annotations

import numpy as np

from unlabelled.hierarchy import Tree
from unlabelled.page.evidence import cut_scores, modality_shares

LEAVES = np.repeat([0, 1, 2], 6)


def test_the_modality_that_separates_clusters_has_the_larger_share() -> None:
    rng = np.random.default_rng(0)
    cluster_of_leaf = np.array([4, 4, 9])
    separated = np.eye(2)[(LEAVES == 2).astype(int)] + 0.1 * rng.normal(size=(18, 2))
    features = {"audio": separated.astype(np.float32), "video": np.ones((18, 2), np.float32)}
    features["text"] = np.zeros((18, 2), np.float32)
    shares = modality_shares(features, LEAVES, cluster_of_leaf)
    assert shares["audio"].tolist() == [1, 1, 1]
    assert shares["video"].mean() < 0.7
    assert shares["text"].tolist() == [0, 0, 0]


def test_scores_of_all_cuts() -> None:
    tree = Tree([[0, 1], [3, 2]])
    labels = ["a"] * 12 + ["b"] * 5 + [""]
    scores = cut_scores(tree, LEAVES, labels)
    assert scores["nmi"][1] == 1
    assert scores["purity"] == [12 / 17, 1, 1]
    assert scores["nmi"][0] == 0
    assert 0 < scores["nmi"][2] < 1
    assert cut_scores(tree, LEAVES, [""] * 18) == {}
