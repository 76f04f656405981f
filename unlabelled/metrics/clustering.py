"""Agreement of a clustering with ground-truth classes, from their contingency table.

A table ``(K, C)`` counts the samples of cluster k (row) and class c (column). The computations are float64 on
the CPU, and the results are Python numbers. The metrics are those of SeLaVi's evaluation (arXiv:2006.13662,
appendix A.4).
"""

from __future__ import annotations

import torch
from torch import Tensor


def contingency(pred: Tensor, target: Tensor, num_clusters: int, num_classes: int) -> Tensor:
    """Return the contingency table ``(num_clusters, num_classes)`` int64, on the device of ``pred``.

    Args:
        pred: ``(n,)`` integer, cluster of each sample, from 0 to num_clusters - 1.
        target: ``(n,)`` integer, class of each sample, from 0 to num_classes - 1.
        num_clusters: K.
        num_classes: C.

    Raises:
        ValueError: The shapes differ, or a value is outside its range.

    Example:
        >>> pred, target = torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 1])
        >>> table = contingency(pred, target, num_clusters=2, num_classes=2)
        >>> table.tolist(), hungarian_accuracy(table), mean_max_purity(table)
        ([[0, 2], [1, 1]], 0.75, 0.75)
    """
    if pred.ndim != 1 or pred.shape != target.shape:
        raise ValueError(
            f"pred has shape {tuple(pred.shape)}, target {tuple(target.shape)}; expected (n,) twice"
        )
    for name, values, end in (("pred", pred, num_clusters), ("target", target, num_classes)):
        if values.numel() and not (int(values.min()) >= 0 and int(values.max()) < end):
            raise ValueError(
                f"{name} holds values from {int(values.min())} to {int(values.max())}, expected 0 to "
                f"{end - 1}: check the number of clusters and classes, and that classes are numbered from 0"
            )
    flat = pred.long() * num_classes + target.to(pred.device).long()
    return flat.bincount(minlength=num_clusters * num_classes).view(num_clusters, num_classes)


def _prepared(table: Tensor) -> Tensor:
    if table.ndim != 2:
        raise ValueError(
            f"the contingency table has shape {tuple(table.shape)}, expected (clusters, classes)"
        )
    counts = table.to("cpu", torch.float64)
    if counts.sum() <= 0:
        raise ValueError("the contingency table is empty: no sample was counted")
    return counts


def _entropy(counts: Tensor) -> float:
    return float(-torch.special.xlogy(counts, counts / counts.sum()).sum() / counts.sum())


def _mutual_information(counts: Tensor) -> float:
    total = counts.sum()
    expected = counts.sum(1, keepdim=True) * counts.sum(0, keepdim=True) / total
    ratio = torch.where(counts > 0, counts / expected, 1.0)
    return float(torch.special.xlogy(counts, ratio).sum() / total)


def normalized_mutual_information(table: Tensor) -> float:
    """Return ``MI / mean(H(clusters), H(classes))`` in [0, 1]; 1 if both have a single group.

    Args:
        table: ``(K, C)`` counts.
    """
    counts = _prepared(table)
    mean_entropy_ = (_entropy(counts.sum(1)) + _entropy(counts.sum(0))) / 2
    if mean_entropy_ == 0:
        return 1.0
    return min(max(_mutual_information(counts) / mean_entropy_, 0.0), 1.0)


def adjusted_mutual_information(table: Tensor) -> float:
    """Return NMI corrected for chance (Vinh et al. 2010), with the arithmetic mean; at most 1.

    Args:
        table: ``(K, C)`` counts.
    """
    counts = _prepared(table)
    clusters, classes = counts.sum(1), counts.sum(0)
    upper = (_entropy(clusters) + _entropy(classes)) / 2
    if upper == 0:  # one cluster and one class: a perfect match
        return 1.0
    expected = expected_mutual_information(clusters, classes)
    if abs(upper - expected) <= 1e-10 * upper:  # single samples in both groupings: 0 / 0, but a perfect match
        return 1.0
    return (_mutual_information(counts) - expected) / (upper - expected)


def expected_mutual_information(clusters: Tensor, classes: Tensor) -> float:
    """Return the mean mutual information of random groupings with these sizes (hypergeometric model).

    It is the exact sum over all possible cell counts, computed once for equal sizes; for each distinct
    cluster size at most N terms are held at a time.

    Args:
        clusters: ``(K,)`` sizes.
        classes: ``(C,)`` sizes, with the same sum N.
    """
    total = int(clusters.sum())
    log_factorial = torch.lgamma(torch.arange(1, total + 2, dtype=torch.float64))
    sizes, size_counts = torch.unique(classes[classes > 0].long(), return_counts=True)
    expected = 0.0
    distinct, repeats = torch.unique(clusters[clusters > 0].long(), return_counts=True)
    for size, repeat in zip(distinct.tolist(), repeats.tolist(), strict=True):
        expected += repeat * _expected_of_cluster(size, sizes, size_counts, total, log_factorial)
    return expected


def _expected_of_cluster(
    a: int, sizes: Tensor, size_counts: Tensor, total: int, log_factorial: Tensor
) -> float:
    """Return the sum over all class sizes b and over all cell counts n that margins a and b allow."""
    lowest = (a + sizes - total).clamp(min=1)
    lengths = sizes.clamp(max=a) - lowest + 1
    b = sizes.repeat_interleave(lengths)
    offsets = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
    n = torch.arange(len(b)) - offsets + lowest.repeat_interleave(lengths)
    log_probability = (
        log_factorial[a]
        + log_factorial[b]
        + log_factorial[total - a]
        + log_factorial[total - b]
        - log_factorial[total]
        - log_factorial[n]
        - log_factorial[a - n]
        - log_factorial[b - n]
        - log_factorial[total - a - b + n]
    )
    share = n.double() / total
    information = share * (share * total * total / (a * b.double())).log()
    return float((information * log_probability.exp() * size_counts.repeat_interleave(lengths)).sum())


def adjusted_rand_index(table: Tensor) -> float:
    """Return the Rand index corrected for chance (Hubert and Arabie 1985); at most 1, negative below chance.

    Args:
        table: ``(K, C)`` counts.
    """
    counts = _prepared(table)
    together = _pairs(counts)
    clusters, classes, total = _pairs(counts.sum(1)), _pairs(counts.sum(0)), _pairs(counts.sum())
    if total == 0:  # a single sample
        return 1.0
    expected = clusters * classes / total
    highest = (clusters + classes) / 2
    return 1.0 if highest == expected else (together - expected) / (highest - expected)


def _pairs(counts: Tensor) -> float:
    return float((counts * (counts - 1) / 2).sum())


def hungarian_accuracy(table: Tensor) -> float:
    """Return the accuracy under the best one-to-one matching of clusters to classes.

    Clusters beyond the number of classes are not matched, and their samples count as errors.

    Args:
        table: ``(K, C)`` counts.
    """
    from scipy.optimize import linear_sum_assignment

    counts = _prepared(table)
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return float(counts[torch.as_tensor(rows), torch.as_tensor(columns)].sum() / counts.sum())


def mean_entropy(table: Tensor) -> float:
    """Return the mean over non-empty clusters of the entropy of their classes (nats); chance is ln C, best 0.

    Args:
        table: ``(K, C)`` counts.
    """
    shares = _class_shares(table)
    return float(-torch.special.xlogy(shares, shares).sum(1).mean())


def mean_max_purity(table: Tensor) -> float:
    """Return the mean over non-empty clusters of the share of their largest class.

    Args:
        table: ``(K, C)`` counts.
    """
    return float(_class_shares(table).amax(1).mean())


def weighted_purity(table: Tensor) -> float:
    """Return the share of samples whose class is the most frequent one of their cluster.

    Args:
        table: ``(K, C)`` counts.
    """
    counts = _prepared(table)
    return float(counts.amax(1).sum() / counts.sum())


def _class_shares(table: Tensor) -> Tensor:
    counts = _prepared(table)
    filled = counts[counts.sum(1) > 0]
    return filled / filled.sum(1, keepdim=True)
