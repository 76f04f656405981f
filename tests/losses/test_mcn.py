"""MCN's own losses against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unlabelled.losses import cluster_loss, reconstruction_loss


def tensors(seed: int = 0) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    features = {name: torch.randn(5, 4, generator=generator) for name in ("text", "video", "audio")}
    return features, torch.randn(3, 4, generator=generator), torch.tensor([0, 2, 1, 1, 0])


def one_cluster_loss(row: Tensor, centroids: Tensor, label: int, margin: float) -> float:
    logits = [float(row @ centroid) - (margin if k == label else 0.0) for k, centroid in enumerate(centroids)]
    return math.log(sum(math.exp(one) for one in logits)) - logits[label]


@pytest.mark.parametrize("margin", [0.001, 0.5])
def test_cluster_loss_by_hand(margin: float) -> None:
    features, centroids, labels = tensors()
    masks = {"text": [1, 1, 0, 1, 0], "video": [1, 1, 1, 1, 1], "audio": [0, 0, 0, 0, 0]}
    costs = {
        name: [one_cluster_loss(rows[i], centroids, int(labels[i]), margin) for i in range(5)]
        for name, rows in features.items()
    }
    expected = sum(sum(cost) / 5 for cost in costs.values()) / 3
    assert float(cluster_loss(features, centroids, labels, margin)) == pytest.approx(expected, rel=1e-5)
    valid = {name: torch.tensor(mask).bool() for name, mask in masks.items()}
    text = [cost for cost, counts in zip(costs["text"], masks["text"], strict=True) if counts]
    expected = (sum(text) / 3 + sum(costs["video"]) / 5) / 3
    found = cluster_loss(features, centroids, labels, margin, valid)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_reconstruction_by_hand() -> None:
    given = {"video": torch.tensor([[1.0, 2], [3, 4]]), "text": torch.tensor([[0.0], [2]])}
    wanted = {"video": torch.tensor([[1.0, 0], [0, 4]]), "text": torch.tensor([[1.0], [2]])}
    assert float(reconstruction_loss(given, wanted)) == pytest.approx((4 / 2 + 9 / 2) / 2 + 1 / 2)
    valid = {"video": torch.tensor([True, False]), "text": torch.tensor([False, True])}
    assert float(reconstruction_loss(given, wanted, valid)) == pytest.approx(2.0)


def test_gradients_reach_features_and_targets_but_no_centroids() -> None:
    features, centroids, labels = tensors()
    for one in (*features.values(), centroids):
        one.requires_grad_()
    cluster_loss(features, centroids, labels).backward()
    assert centroids.grad is None
    assert all(rows.grad is not None for rows in features.values())
    target = torch.zeros(2, 3, requires_grad=True)
    reconstruction_loss({"text": torch.ones(2, 3)}, {"text": target}).backward()
    assert target.grad is not None


def test_half_precision_is_left() -> None:
    features, centroids, labels = tensors()
    features = {name: rows.bfloat16() for name, rows in features.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cluster_loss(features, centroids, labels)
        error = reconstruction_loss(features, features)
    assert found.dtype == error.dtype == torch.float32
    expected = cluster_loss({name: rows.float() for name, rows in features.items()}, centroids, labels)
    torch.testing.assert_close(found, expected)


def test_errors() -> None:
    features, centroids, labels = tensors()
    with pytest.raises(ValueError, match="a mask for each"):
        cluster_loss(features, centroids, labels, valid={"text": torch.ones(5)})
    with pytest.raises(ValueError, match="one modality at least"):
        reconstruction_loss({}, {})
    with pytest.raises(ValueError, match="reconstruction of text"):
        reconstruction_loss({"text": torch.ones(2, 3)}, {"text": torch.ones(2, 4)})
