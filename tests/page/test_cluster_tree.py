from __future__ import annotations

import numpy as np

from unlabelled.page import fine_tree


def clustered(num_groups: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = np.repeat(rng.normal(size=(num_groups, 8)), size, 0) + 0.02 * rng.normal(
        size=(num_groups * size, 8)
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_cut_has_the_clusters_of_the_method() -> None:
    clusters = np.random.default_rng(0).choice([0, 2, 5, 6], 200)
    fine = fine_tree(clustered(20, 10), clusters, num_leaves=16)
    cut = fine.tree.cut(fine.num_clusters)[fine.leaf_of]
    assert fine.num_clusters == 4
    assert len({*zip(cut.tolist(), clusters.tolist(), strict=True)}) == 4
    assert (fine.cluster_of_leaf[fine.leaf_of] == clusters).all()


def test_clusters_are_divided_into_the_groups_inside_them() -> None:
    groups = np.repeat(np.arange(6), 12)
    fine = fine_tree(clustered(6, 12), groups // 2, num_leaves=6)
    assert fine.tree.num_leaves == 6
    assert len({*zip(fine.leaf_of.tolist(), groups.tolist(), strict=True)}) == 6


def test_small_and_equal_samples_are_not_divided() -> None:
    rows = np.ones((9, 2), np.float32) / np.sqrt(2).astype(np.float32)
    fine = fine_tree(rows, np.array([0] * 8 + [3]), num_leaves=9)
    assert sorted(np.bincount(fine.leaf_of).tolist()) == [1, 8]
    assert fine_tree(rows[:1], np.array([7]), num_leaves=4).tree.num_leaves == 1


def test_the_result_is_a_function_of_the_seed() -> None:
    rows, clusters = clustered(12, 10), np.arange(120) % 3
    first, again = (fine_tree(rows, clusters, 20, seed=4) for _ in range(2))
    assert first.tree.newick() == again.tree.newick()
    assert (first.leaf_of == again.leaf_of).all()
