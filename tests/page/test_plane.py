from __future__ import annotations

import numpy as np
import pytest

from unlabelled.page import plane as plane_module
from unlabelled.page.plane import plane


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_near_samples_are_near_on_the_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plane_module, "MOST_EMBEDDED", 40)  # so that the others are placed among these
    rng = np.random.default_rng(0)
    groups = np.arange(120) % 3
    points = plane(unit(np.eye(3)[groups] + 0.1 * rng.normal(size=(120, 3))))
    assert points.shape == (120, 2)
    assert points.min() >= 0
    assert points.max() <= 1
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(120)
    assert (groups[distances.argmin(1)] == groups).mean() > 0.95


@pytest.mark.parametrize("count", [1, 2, 7, 9])
def test_few_and_equal_samples_have_places(count: int) -> None:
    assert np.isfinite(plane(np.ones((count, 1), np.float32))).all()
    assert np.isfinite(plane(unit(np.random.default_rng(0).normal(size=(count, 4))))).all()
