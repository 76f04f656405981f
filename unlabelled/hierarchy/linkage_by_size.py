"""Average and Ward linkage of leaves that stand for many samples, each with the weight of its samples."""

from __future__ import annotations

import numpy as np

from unlabelled.hierarchy.tree import Floats, Tree

_Merge = tuple[int, int, float]  # a leaf of either cluster, and the height


def link_by_size(distances: Floats, counts: Floats, ward: bool) -> Tree:
    """Return the tree that the linkage makes of the samples once the samples of each leaf are merged.

    It holds if the samples of a leaf are at one place; by chains of nearest neighbours, in quadratic time.

    Args:
        distances: ``(K, K)`` symmetric; Euclidean for Ward's method.
        counts: ``(K,)``, numbers of samples.
        ward: Ward's method; otherwise average linkage, the mean over pairs of samples.

    Source: the recurrences of Lance and Williams 1967, as in scipy, with these initial sizes.

    Example:
        >>> places = np.array([0.0, 2.0, 5.0])
        >>> distances, many = abs(places[:, None] - places), np.array([9, 9, 1])
        >>> [link_by_size(distances, n, ward=True).merges[0].tolist() for n in (many[::-1], many)]
        [[0, 1], [1, 2]]
    """
    gaps, sizes = distances.astype(np.float64), counts.astype(np.float64)
    if ward:
        gaps = gaps**2 * np.outer(sizes, sizes) / (sizes[:, None] + sizes)
    np.fill_diagonal(gaps, np.inf)
    merges = _chain(gaps, sizes, ward)
    return _numbered([(i, j, float(np.sqrt(2 * height)) if ward else height) for i, j, height in merges])


def _chain(gaps: Floats, sizes: Floats, ward: bool) -> list[_Merge]:
    """Merge mutual nearest neighbours until one cluster is left; ``gaps`` and ``sizes`` change."""
    merges: list[_Merge] = []
    chain: list[int] = []
    alive = np.ones(len(sizes), dtype=bool)
    while len(merges) < len(sizes) - 1:
        if not chain:
            chain.append(int(alive.argmax()))
        last = chain[-1]
        nearest = int(gaps[last].argmin())
        if len(chain) > 1 and gaps[last, chain[-2]] <= gaps[last, nearest]:
            nearest = chain[-2]  # of equal ones, so that the chain ends
        if len(chain) == 1 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        merges.append((nearest, last, float(gaps[last, nearest])))
        _join(gaps, sizes, nearest, last, ward)
        alive[last] = False
        del chain[-2:]
    return merges


def _join(gaps: Floats, sizes: Floats, kept: int, gone: int, ward: bool) -> None:
    """Put the cluster of both in the place of ``kept``."""
    first, second, height = sizes[kept], sizes[gone], gaps[kept, gone]
    if ward:
        joined = (first + sizes) * gaps[kept] + (second + sizes) * gaps[gone] - sizes * height
        joined /= first + second + sizes
    else:
        joined = (first * gaps[kept] + second * gaps[gone]) / (first + second)
    gaps[kept], gaps[:, kept] = joined, joined
    gaps[gone], gaps[:, gone] = np.inf, np.inf
    gaps[kept, kept] = np.inf
    sizes[kept] = first + second


def _numbered(merges: list[_Merge]) -> Tree:
    """Return the tree of merges in any order, in which a leaf stands for its cluster."""
    clusters = list(range(len(merges) + 1))  # of each leaf, a leaf nearer to the one that stands for all
    nodes = list(range(len(merges) + 1))  # of the leaf that stands for a cluster

    def find(leaf: int) -> int:
        while clusters[leaf] != leaf:
            clusters[leaf] = clusters[clusters[leaf]]
            leaf = clusters[leaf]
        return leaf

    pairs: list[tuple[int, int]] = []
    heights: list[float] = []
    for i, j, height in sorted(merges, key=lambda merge: merge[2]):
        kept, gone = find(i), find(j)
        pairs.append((nodes[kept], nodes[gone]))
        heights.append(height)
        clusters[gone], nodes[kept] = kept, len(merges) + len(pairs)
    return Tree(pairs, heights)
