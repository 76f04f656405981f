"""Euclidean clusters of maps: numbers of the released layer, symmetries, and what is refused."""

from __future__ import annotations

import pytest
import torch

from unlabelled.clustering import euclidean_clusters
from unlabelled.clustering.euclidean_maps import distances, nearest_distances, pair_contrast

POINTS = torch.tensor([[[0, 0], [0.2, 0], [1, 1], [1, 0.8]]], dtype=torch.float64)


@pytest.mark.parametrize("iterations", [1, 4])
def test_numbers_of_the_released_layer(iterations: int) -> None:
    hard = euclidean_clusters(POINTS, 2, iterations)
    torch.testing.assert_close(hard.centres[0], POINTS.new_tensor([[0.1, 0], [1, 0.9]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(hard.assignments.sum(1), torch.ones(1, 4, dtype=torch.float64))


def test_numbers_of_softer_clusters() -> None:
    soft = euclidean_clusters(POINTS, 2, sharpness=5)
    centres = POINTS.new_tensor([[0.102621, 0.002621], [0.997379, 0.897379]])
    torch.testing.assert_close(soft.centres[0], centres, atol=1e-6, rtol=0)
    first = POINTS.new_tensor([0.997965, 0.995991, 0.002035, 0.004009])
    torch.testing.assert_close(soft.assignments[0, 0], first, atol=1e-6, rtol=0)


def test_distances_to_the_nearest_visual_centre() -> None:
    visual = euclidean_clusters(POINTS, 2).centres
    audio = POINTS.new_tensor([[[0.9, 0.9]]])
    expected = POINTS.new_tensor([[[1.204159, 0.1]]])
    torch.testing.assert_close(distances(audio, visual), expected, atol=1e-5, rtol=0)
    distance = nearest_distances(visual, audio)
    both = torch.cat([distance, distance])
    loss = pair_contrast(both, torch.tensor([True, False]), 5.0)
    torch.testing.assert_close(loss, POINTS.new_tensor([0.005, 12.005]), atol=1e-5, rtol=0)
    two = nearest_distances(POINTS.new_tensor([[[0.3, 0], [0, 9.4]]]), POINTS.new_tensor([[[0, 0], [0, 9]]]))
    torch.testing.assert_close(two, POINTS.new_tensor([0.5]), atol=1e-6, rtol=0)
    assert pair_contrast(POINTS.new_tensor([7.0]), torch.tensor([False]), 5.0).item() == 0


def test_far_and_equal_points_have_finite_gradients() -> None:
    for points in (torch.zeros(1, 6, 3), 1e4 * torch.randn(2, 6, 3), POINTS.float()):
        points.requires_grad_()
        found = euclidean_clusters(points, 3 if points.shape[1] == 6 else 2)
        found.centres.sum().backward()
        assert found.centres.isfinite().all()
        assert points.grad is not None
        assert points.grad.isfinite().all()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="4 positions cannot hold 5 clusters"):
        euclidean_clusters(POINTS, 5)
    with pytest.raises(ValueError, match="margin=0 must be positive"):
        pair_contrast(torch.ones(1), torch.ones(1, dtype=torch.bool), 0)
