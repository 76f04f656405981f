"""The peak of matrix products, and clustering at ImageNet's size."""

from __future__ import annotations

import statistics

import torch

from tools.gpu_report.timing import Device
from unlabelled.clustering import ClusterContext, KMeansClusterer, sinkhorn_knopp

IMAGES, CLASSES = 1_281_167, 3_000  # of ImageNet; K of SeLa
FEATURES, CENTROIDS = 256, 10_000  # of DeepCluster on ImageNet, after whitening
ITERATIONS = 3


def peak_flops(device: Device, small: bool) -> float:
    """Return the operations per second of a product of bfloat16 matrices."""
    size = 256 if small else 8192
    matrices = [torch.randn(size, size, device=device.torch, dtype=torch.bfloat16) for _ in range(2)]
    times = [device.seconds(lambda: matrices[0] @ matrices[1]) for _ in range(6)]
    return 2 * size**3 / statistics.median(times[1:])


def sinkhorn_seconds(device: Device, small: bool) -> tuple[float, int]:
    """Return the seconds of a whole solve from new potentials in float32, and its iterations."""
    rows, clusters = (2_000, 30) if small else (IMAGES, CLASSES)
    scores = torch.randn(rows, clusters, device=device.torch).log_softmax(1)
    iterations = 0

    def solve() -> None:
        nonlocal iterations
        iterations = sinkhorn_knopp(scores, overwrite=True).iterations

    return device.seconds(solve), iterations


def kmeans_seconds(device: Device, small: bool) -> float:
    """Return the seconds of :data:`ITERATIONS` updates on a sample, and of the assignment of all rows."""
    rows, dim, clusters = (2_000, 16, 20) if small else (IMAGES, FEATURES, CENTROIDS)
    features = torch.randn(rows, dim, device=device.torch)
    context = ClusterContext(0, clusters, 1, 0, 0)
    clusterer = KMeansClusterer(iterations=ITERATIONS, max_points_per_centroid=128)
    return device.seconds(lambda: clusterer(features, context))
