"""The sets and similarities of benchmarks/tree_similarity.py."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from hierarchy import _clip, standardised

from unlabelled.data.synthetic.embedded.classes import LEAVES
from unlabelled.hierarchy import neighbour_graph, unit_rows
from unlabelled.hierarchy.tree import Floats, Indices

Labelled = tuple[Floats, Indices]
"""Rows ``(n, d)`` and classes ``(n,)``."""


def principal(rows: Floats, count: int) -> Floats:
    """Return the first ``count`` principal components ``(n, count)``."""
    vectors, values, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    components: Floats = (vectors * values)[:, :count]
    return components


def gaussians(sizes: list[list[int]], noise: tuple[float, float, float], seed: int) -> Labelled:
    """Return rows of clusters with the given sizes in families, in 64 dimensions; ``noise`` per level."""
    rng = np.random.default_rng(seed)
    rows = []
    for family in sizes:
        coarse = rng.normal(size=64) * noise[0]
        for size in family:
            fine = coarse + rng.normal(size=64) * noise[1]
            rows.append(fine + rng.normal(size=(size, 64)) * noise[2])
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(part) for part in rows])


def uneven() -> Labelled:
    """Return 20 Gaussian clusters of 8 to 160 samples in 4 families."""
    rng = np.random.default_rng(5)
    sizes = [np.exp(rng.uniform(np.log(8), np.log(160), 5)).astype(int).tolist() for _ in range(4)]
    return gaussians(sizes, (1, 0.8, 1.2), 2)


def bundled(name: str) -> Labelled:
    """Return standardised rows and classes of a set of scikit-learn."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    return standardised(bunch.data), bunch.target


def digits() -> Labelled:
    """Return scikit-learn's digits as they are."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return bunch.data, bunch.target


@cache
def clips() -> list[tuple[Floats, Floats]]:
    """Return pixels and spectra of 900 embedded videos; to render them takes longer than their trees."""
    rng = np.random.default_rng(0)
    return [_clip(index % len(LEAVES), rng) for index in range(900)]


def embedded(part: int) -> Labelled:
    """Return 900 frames (0) or spectra (1) of the embedded videos, standardised."""
    return standardised([clip[part] for clip in clips()]), np.arange(900) % len(LEAVES)


def fashion(folder: Path) -> Labelled:
    """Return the 10 000 test images of Fashion-MNIST as they are."""
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    rows = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.float64)
    return rows, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def with_components(load: Callable[[], Labelled], count: int) -> Callable[[], Labelled]:
    """Return a function that loads the principal components of a set."""

    def loaded() -> Labelled:
        rows, labels = load()
        return principal(rows, count), labels

    return loaded


SETS: dict[str, Callable[[], Labelled]] = {
    "digits": digits,
    "digits, PCA": with_components(digits, 20),
    "iris": lambda: bundled("iris"),
    "wine": lambda: bundled("wine"),
    "cancer": lambda: bundled("breast_cancer"),
    "cancer, PCA": with_components(lambda: bundled("breast_cancer"), 10),
    "frames, PCA": with_components(lambda: embedded(0), 100),
    "audio": lambda: embedded(1),
    "Gauss, easy": lambda: gaussians([[20] * 10] * 5, (1, 0.6, 0.6), 0),
    "Gauss, hard": lambda: gaussians([[30] * 6] * 5, (1, 0.8, 1.6), 1),
    "Gauss, uneven": uneven,
}


def equal_graph(cosines: Floats, count: int) -> Floats:
    """Return the weights of the graph of nearest neighbours: 1 between mutual ones, 1/2 between others."""
    distances = np.where(np.eye(len(cosines)) > 0, np.inf, -cosines)
    edges = np.zeros_like(cosines)
    np.put_along_axis(edges, np.argsort(distances, 1, kind="stable")[:, :count], 1.0, 1)
    graph: Floats = (edges + edges.T) / 2
    return graph


def similarities(unit: Floats) -> dict[str, Floats]:
    """Return the similarities ``(K, K)`` of unit rows ``(K, d)`` by name."""
    cosines, centred = unit @ unit.T, unit_rows(unit - unit.mean(0))
    squares = np.maximum(2 - 2 * cosines, 0)
    pairs = squares[np.triu_indices(len(unit), 1)]
    scales = np.sqrt(np.sort(squares, 1)[:, min(7, len(unit) - 1)])
    near = (equal_graph(cosines, 10) + np.eye(len(unit))) > 0
    shared = near.astype(float) @ near
    found = {
        "half-cosine": (1 + cosines) / 2,
        "positive-cosine": np.maximum(cosines, 0),
        "half-cosine, centred": (1 + centred @ centred.T) / 2,
        "positive-cosine, centred": np.maximum(centred @ centred.T, 0),
        "rbf": np.exp(-squares / np.median(pairs)),
        "self-tuned": np.exp(-squares / np.maximum(np.outer(scales, scales), 1e-12)),
        "graph 5": equal_graph(cosines, 5),
        "graph 10": equal_graph(cosines, 10),
        "graph 10, centred": equal_graph(centred @ centred.T, 10),
        "graph 20": equal_graph(cosines, 20),
        "mutual 10": (equal_graph(cosines, 10) == 1).astype(float),
        "ranks 10": neighbour_graph(cosines, 10),
        "ranks 20": neighbour_graph(cosines, 20),
        "ranks 20, centred": neighbour_graph(centred @ centred.T, 20),
        "jaccard 10": shared / (near.sum(1)[:, None] + near.sum(1)[None] - shared),
    }
    for weights in found.values():
        np.fill_diagonal(weights, 0)
    return found
