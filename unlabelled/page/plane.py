"""Positions of samples in a plane, for the map of a page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unlabelled.hierarchy.tree import Floats
from unlabelled.seeding import derive_seed, numpy_generator

MOST_EMBEDDED = 3000
"""Largest number of samples that t-SNE places; others are placed among their nearest ones of these."""
_NEIGHBOURS = 3
_CHUNK = 2048


def plane(features: NDArray[np.float32], seed: int = 0) -> Floats:
    """Return positions ``(n, 2)`` from 0 to 1 of unit vectors ``(n, D)``.

    t-SNE with the cosine distance of at most :data:`MOST_EMBEDDED` samples; another sample is at the mean of
    its three nearest ones, weighted by their cosines. Fewer than 8 samples: principal components.
    """
    count = len(features)
    if count < 8:
        return _scaled(_principal(features))
    chosen = np.sort(numpy_generator(seed, "map").permutation(count)[:MOST_EMBEDDED])
    placed = _scaled(_tsne(features[chosen], derive_seed(seed, "t-SNE") % 2**31))
    if len(chosen) == count:
        return placed
    positions = np.empty((count, 2))
    for begin in range(0, count, _CHUNK):
        cosines = features[begin : begin + _CHUNK] @ features[chosen].T
        nearest = np.argpartition(-cosines, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        weights = np.take_along_axis(cosines, nearest, 1).clip(1e-3)
        weights = (weights / weights.sum(1, keepdims=True))[:, :, None]
        positions[begin : begin + _CHUNK] = (placed[nearest] * weights).sum(1)
    positions[chosen] = placed
    return positions


def _tsne(features: NDArray[np.float32], seed: int) -> Floats:
    start = _principal(features)
    spread = start.std(0).max()
    if spread == 0:  # equal samples
        return start
    from sklearn.manifold import TSNE  # slow to import, and not of interest to a training

    # The distances of unit vectors order samples as cosines do, and allow the faster tree.
    method = TSNE(
        perplexity=min(30.0, (len(features) - 1) / 3),
        init=(start / spread * 1e-4).astype(np.float32),
        random_state=seed,
        max_iter=500,
    )
    return np.asarray(method.fit_transform(features), np.float64)


def _principal(features: NDArray[np.float32]) -> Floats:
    count = min(2, *features.shape)
    found = np.zeros((len(features), 2))
    if len(features) > 1 and features.std(0).max() > 0:
        from sklearn.decomposition import PCA

        found[:, :count] = PCA(count, svd_solver="full").fit_transform(features)
    return found


def _scaled(points: Floats) -> Floats:
    low, high = points.min(0), points.max(0)
    scaled: Floats = (points - low) / np.where(high > low, high - low, 1)
    return scaled
