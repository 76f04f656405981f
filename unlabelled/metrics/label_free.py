"""Measures of clusterings and features that need no labels, on a sample of a data set.

The functions take the rows of all ranks, compute on the CPU, in float64, and return Python numbers.
"""

from __future__ import annotations

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.kmeans import kmeans
from unlabelled.metrics.clustering import adjusted_mutual_information, contingency
from unlabelled.seeding import torch_generator


def agreement(first: Tensor, second: Tensor) -> float:
    """Return the adjusted mutual information of two clusterings: 0 is chance, 1 the same groups.

    NMI would grow with the number of clusters: on a sample of a few hundred rows, random clusterings with
    hundreds of clusters have a large NMI.

    Args:
        first: ``(n,)`` integer.
        second: ``(n,)`` integer; the numbers of the clusters need not match.

    Example:
        >>> agreement(torch.tensor([0, 0, 7, 7]), torch.tensor([1, 1, 0, 0]))
        1.0
    """
    groups = [torch.unique(clusters.cpu(), return_inverse=True) for clusters in (first, second)]
    (names, rows), (other_names, other_rows) = groups
    table = contingency(rows, other_rows, len(names), len(other_names))
    return min(max(adjusted_mutual_information(table), 0.0), 1.0)


def mean_agreement(clusterings: Tensor) -> float:
    """Return the mean :func:`agreement` of all pairs of columns of ``(n, H)``; H is at least 2."""
    pairs = list(combinations(clusterings.unbind(1), 2))
    return sum(agreement(*pair) for pair in pairs) / len(pairs)


def effective_clusters(clusters: Tensor) -> float:
    """Return exp(entropy of the sizes) of ``(n,)`` integer: K for K equal clusters, 1 for a single one.

    Example:
        >>> round(effective_clusters(torch.tensor([0, 0, 4, 4])), 6)
        2.0
    """
    shares = torch.unique(clusters.cpu(), return_counts=True)[1].double() / len(clusters)
    return float(torch.special.entr(shares).sum().exp())


def explained_share(clusters: Tensor, statistic: Tensor, neighbours: int = 3, seed: int = 0) -> float:
    """Return the share of the variance of the clusters that a statistic of the inputs explains.

    It is the correlation ratio of the indicators of the clusters, sum_k Var(E[1_k | statistic]) over sum_k
    Var(1_k): Goodman and Kruskal's tau. The expectation is estimated by the nearest neighbours of each row,
    the row itself left out: (P(a neighbour is in the row's cluster) - P(any other row is)) / (1 - P(any other
    row is)). It is 0 for clusters that do not depend on the statistic, whatever K is, and 1 for large
    clusters that are a function of it. Where clusters are so small that the neighbours of a row lie beyond
    its borders, it is too low.

    Args:
        clusters: ``(n, H)`` integer, H clusterings.
        statistic: ``(n, s)``; each column is standardised.
        neighbours: Number of neighbours; fewer are nearer, more have less variance.
        seed: Seed of the order of equally near rows, which is random: rows are often sorted by class.

    Returns:
        The mean over the clusterings, from 0 to 1; 0 for a statistic that is constant, or too few rows.

    Source: Goodman and Kruskal 1954; nearest neighbours as in Azadkia and Chatterjee 2021
    (arXiv:1910.12327).

    Example:
        >>> statistic = torch.linspace(0, 1, 300).unsqueeze(1)
        >>> explained_share((statistic * 3).long().clamp(max=2), statistic) > 0.98
        True
    """
    order = torch.randperm(len(clusters), generator=torch_generator(seed, "explained share"))
    clusters, statistic = clusters.cpu()[order], statistic.to("cpu", torch.float64)[order]
    deviation = statistic.std(0, correction=0)
    varies = deviation > 1e-5 * (1 + statistic.mean(0).abs())
    if not varies.any() or len(clusters) <= neighbours:
        return 0.0
    points = statistic[:, varies] / deviation[varies]
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    nearest = distances.fill_diagonal_(torch.inf).topk(neighbours, largest=False).indices
    shares = [_beyond_chance(each, nearest) for each in clusters.unbind(1)]
    return sum(shares) / len(shares)


def _beyond_chance(clusters: Tensor, nearest: Tensor) -> float:
    """Return the share of neighbours ``(n, k)`` in the cluster of their row, from 0 (chance) to 1."""
    counts = torch.unique(clusters, return_counts=True)[1].double()
    chance = float((counts * (counts - 1)).sum() / (len(clusters) * (len(clusters) - 1)))
    if chance == 1:  # a single cluster
        return 0.0
    same = float((clusters[nearest] == clusters.unsqueeze(1)).double().mean())
    return max((same - chance) / (1 - chance), 0.0)


def neighbour_consistency(first: Tensor, second: Tensor) -> float:
    """Return the share of samples whose nearest neighbour in the other copy is the sample itself.

    Args:
        first: ``(n, D)`` features of a copy of each sample.
        second: ``(n, D)`` features of another copy, in the same order.

    Returns:
        The mean over both directions, by cosine similarity; 1/n is chance.

    Example:
        >>> neighbour_consistency(torch.eye(3), torch.eye(3) + 0.1)
        1.0
    """
    cosines = F.normalize(first.cpu().double(), dim=1) @ F.normalize(second.cpu().double(), dim=1).T
    rows = torch.arange(len(cosines))
    return float(sum((cosines.argmax(axis) == rows).double().mean() for axis in (0, 1)) / 2)


def clusterings_of_features(features: Tensor, num_clusters: int, seed: int, repeats: int = 3) -> Tensor:
    """Cluster normalised features by k-means from several starts; return ``(n, repeats)`` int64.

    Args:
        features: ``(n, D)``, finite.
        num_clusters: K, at most n.
        seed: Seed of the first start.
        repeats: Number of starts.
    """
    points = F.normalize(features.float(), dim=1)
    return torch.stack([kmeans(points, num_clusters, (seed + start) % 2**31) for start in range(repeats)], 1)
