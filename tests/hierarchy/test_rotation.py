"""Rotations of embeddings, and the upper part of trees."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import torch

from tests._helpers.hierarchy_oracles import ball_points, some_tree
from unlabelled.hierarchy import distance
from unlabelled.hierarchy.rotation import rotate_onto


def test_a_rotated_embedding_comes_back() -> None:
    points = ball_points(12, 5, 0)
    rotation = torch.from_numpy(np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0])
    torch.testing.assert_close(rotate_onto(points @ rotation, points), points)


def test_it_is_scipys_procrustes_on_the_finite_rows() -> None:
    points, reference = ball_points(12, 5, 0), ball_points(12, 5, 1)
    points[3], reference[7] = torch.nan, torch.nan
    moved = rotate_onto(points, reference)
    known = [row for row in range(12) if row not in (3, 7)]
    rotation, _ = scipy.linalg.orthogonal_procrustes(points[known].numpy(), reference[known].numpy())
    np.testing.assert_allclose(moved[known].numpy(), points[known].numpy() @ rotation, atol=1e-12)
    torch.testing.assert_close(distance(moved[0], moved[7]), distance(points[0], points[7]))
    assert moved[3].isnan().all()


def test_fewer_rows_than_dimensions() -> None:
    points = ball_points(3, 8, 0)
    torch.testing.assert_close(rotate_onto(points, points), points)


def test_the_top_of_a_tree_cuts_like_the_tree() -> None:
    for seed in range(5):
        tree = some_tree(17, seed)
        for num_clusters in (1, 2, 6, 17):
            upper, labels = tree.over_clusters(num_clusters), tree.cut(num_clusters)
            assert upper.num_leaves == num_clusters
            for fewer in range(1, num_clusters + 1):
                whole, coarse = tree.cut(fewer), upper.cut(fewer)[labels]
                assert len(set(zip(whole.tolist(), coarse.tolist(), strict=True))) == fewer
        np.testing.assert_array_equal(tree.over_clusters(6).heights, tree.heights[-5:])
