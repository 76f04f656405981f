"""k-means by faiss, as a baseline for evaluation (one process)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor


def kmeans(
    features: Tensor,
    num_clusters: int,
    seed: int = 0,
    iterations: int = 20,
    restarts: int = 1,
    max_points_per_centroid: int = 1024,
    init: Literal["random", "k-means++"] = "random",
) -> Tensor:
    """Cluster by Lloyd's algorithm, Euclidean, started from random samples; faiss stops when nothing moves.

    Args:
        features: ``(n, d)`` floating point, finite.
        num_clusters: K, at most n.
        seed: Of the first centroids and of the subsample.
        iterations: Updates of the centroids.
        restarts: Runs, of which the one with the smallest distances is kept.
        max_points_per_centroid: Centroids are found on a random subsample of at most K times this many rows;
            every row is then given to its nearest centroid.
        init: Which samples the first centroids are: any (``random``), or each drawn with a probability that
            grows with its squared distance from those before it (``k-means++``).

    Returns:
        ``(n,)`` int64 labels on the features' device.

    Raises:
        ImportError: faiss is not installed.
        ValueError: Wrong shape, too few rows, or features that are not finite.
    """
    faiss = _import_faiss()
    _check_features(features, num_clusters, iterations, restarts, max_points_per_centroid)
    points = np.ascontiguousarray(features.detach().to("cpu", torch.float32).numpy())
    if not np.isfinite(points).all():
        raise ValueError(
            "k-means: the features hold NaN or infinity; check the checkpoint and the input data"
        )
    solver = faiss.Kmeans(
        points.shape[1],
        num_clusters,
        niter=iterations,
        nredo=restarts,
        seed=seed,
        min_points_per_centroid=1,  # fewer is the caller's choice, not worth faiss' message on stdout
        max_points_per_centroid=max_points_per_centroid,
        init_method=_init_method(faiss, init),
    )
    solver.train(points)
    _, labels = solver.index.search(points, 1)
    return torch.as_tensor(labels[:, 0], dtype=torch.int64, device=features.device)


def _init_method(faiss: Any, init: str) -> Any:
    methods = {
        "random": faiss.ClusteringInitMethod_RANDOM,
        "k-means++": faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
    }
    if init not in methods:
        raise ValueError(f"k-means: init={init!r}; expected one of {', '.join(methods)}")
    return methods[init]


def _import_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "k-means needs faiss, which is not installed: install one of the extras `unlabelled[cpu]` or "
            "`unlabelled[gpu]` (they exclude each other)"
        ) from error
    return faiss


def _check_features(
    features: Tensor, num_clusters: int, iterations: int, restarts: int, max_points_per_centroid: int
) -> None:
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            f"k-means: features are {features.dtype} of shape {tuple(features.shape)}, expected "
            "floating point of shape (samples, dimensions)"
        )
    if not 1 <= num_clusters <= len(features):
        raise ValueError(
            f"k-means: num_clusters is {num_clusters}, expected 1 to {len(features)}, the number of samples"
        )
    if min(iterations, restarts, max_points_per_centroid) < 1:
        raise ValueError(
            f"k-means: iterations is {iterations}, restarts {restarts} and max_points_per_centroid "
            f"{max_points_per_centroid}, expected at least 1 for each"
        )
