"""Statistics of anchors: binary codes, evenness of their usage, and categories of their samples.

Codes are ``(n, K)``, labels ``(n,)``, -1: no label. A row without an assigned anchor belongs to a sample
without the modality of the codes, and is left out.

Source: SSPC supplement sections 4.1 to 4.3, Figure 4 and Table 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.bool_]
Labels = NDArray[np.int64]
Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


def binary_codes(soft: NDArray[np.floating[Any]], num_assigned: int) -> Codes:
    """Mark the largest entries of each row; of equal entries those with the smaller index.

    Args:
        soft: ``(n, K)``, soft codes or similarities.
        num_assigned: K', number of entries to mark in each row.

    Returns:
        ``(n, K)`` bool, with K' entries True in each row.

    Raises:
        ValueError: K' is not between 1 and K, or an entry is not finite.
    """
    if not 1 <= num_assigned <= soft.shape[1]:
        raise ValueError(
            f"anchors: num_assigned is {num_assigned}; expected 1 to {soft.shape[1]}, the number of anchors"
        )
    if not np.isfinite(soft).all():
        raise ValueError(
            "anchors: scores are not finite; the training has diverged (lower the learning rate, or use "
            "--trainer.precision 32)"
        )
    order = np.argsort(-soft, axis=1, kind="stable")
    codes = np.zeros(soft.shape, dtype=np.bool_)
    np.put_along_axis(codes, order[:, :num_assigned], True, axis=1)
    return codes


def usage_entropy(codes: Codes) -> float:
    """Return the evenness of the usage of anchors: 1: all equally often; 0: all samples have the same K'.

    It is the entropy of the shares of anchors, scaled linearly from its range, log K' to log K, to 0 to 1;
    NaN without samples. Codes of a balanced assignment have values near 1 in any case; codes of the
    similarities show a collapse.

    Args:
        codes: ``(n, K)`` with K' anchors per row.
    """
    counts = codes.sum(0)
    if not counts.any():
        return float("nan")
    shares = counts[counts > 0] / counts.sum()
    least = np.log(counts.sum() / codes.any(1).sum())
    most = np.log(len(counts))
    if np.isclose(least, most):
        return 1.0
    return float(np.clip((-(shares * np.log(shares)).sum() - least) / (most - least), 0.0, 1.0))


def category_counts(codes: Codes, labels: Labels, num_classes: int) -> Counts:
    """Return numbers ``(K, K, C)`` of samples of category c with both anchors; diagonal: single anchors."""
    num_anchors = codes.shape[1]
    counts = np.zeros((num_anchors, num_anchors, num_classes), dtype=np.int64)
    for label in range(num_classes):
        members = codes[labels == label].astype(np.float64)
        counts[..., label] = np.rint(members.T @ members)
    return counts


def category_distribution(codes: Codes, labels: Labels, num_classes: int, anchors: Sequence[int]) -> Shares:
    """Return the shares ``(C,)`` of categories among the labelled samples that have all of ``anchors``.

    Zeros if there is no such sample. Without ``anchors`` all samples with a code are counted.

    Source: SSPC supplement Figure 4.
    """
    chosen = codes.any(1) & codes[:, list(anchors)].all(1) & (labels >= 0)
    counts = np.bincount(labels[chosen], minlength=num_classes)
    return counts / max(int(counts.sum()), 1)


def information(counts: Counts, overall: Shares, at_least: int = 10) -> NDArray[np.float64]:
    """Return the information of anchors about the category, in bits: the KL divergence from ``overall``.

    The mean divergence of a random choice of as many samples, (C - 1) / (2 m ln 2), is subtracted (Miller and
    Madow); otherwise the rarest pairs of anchors would have the most information.

    Args:
        counts: ``(..., C)``, numbers of samples by category.
        overall: ``(C,)``, shares of the categories among all samples.
        at_least: Smallest number of samples; with fewer the result is minus infinity.
    """
    total = counts.sum(-1)
    shares = counts / np.maximum(total, 1)[..., None]
    ratio = np.where(counts > 0, shares / np.where(overall > 0, overall, 1), 1)
    bias = (np.count_nonzero(overall) - 1) / (2 * np.maximum(total, 1) * np.log(2))
    bits = (shares * np.log2(ratio)).sum(-1) - bias
    return np.where(total >= max(at_least, 1), bits, -np.inf)


def informative_anchors(counts: Counts, overall: Shares, most: int, size: int) -> list[tuple[int, ...]]:
    """Return the anchors (``size`` 1) or pairs of anchors (2) with most information about the category.

    Args:
        counts: ``(K, K, C)`` of :func:`category_counts`.
        overall: ``(C,)`` shares of the categories.
        most: Largest number of results; those with too few samples are left out.
        size: 1 or 2.

    Returns:
        The anchors, those with most information first.
    """
    bits = information(counts, overall)
    first, second = np.triu_indices(len(bits), k=1) if size == 2 else (np.arange(len(bits)),) * 2
    order = np.argsort(-bits[first, second], kind="stable")[:most]
    known = [i for i in order if np.isfinite(bits[first[i], second[i]])]
    return [(int(first[i]), int(second[i]))[:size] for i in known]


class TopCategory(NamedTuple):
    """A frequent category of the samples of an anchor.

    Attributes:
        label: Label of the category.
        share: Its share among the samples of the anchor.
        lift: That share divided by its share among all samples.
    """

    label: int
    share: float
    lift: float


def top_categories(counts: Counts, overall: Shares, most: int = 3) -> list[TopCategory]:
    """Return the most frequent categories of ``counts (C,)``; of equal ones the smaller label first.

    Source: SSPC supplement Table 8.
    """
    order = np.argsort(-counts, kind="stable")[:most]
    shares = counts / max(int(counts.sum()), 1)
    return [TopCategory(int(c), float(shares[c]), float(shares[c] / overall[c])) for c in order if counts[c]]


def category_table(counts: Counts, overall: Shares, names: Sequence[str], most: int = 3) -> str:
    """Return the top categories of each anchor as a table in Markdown.

    Args:
        counts: ``(K, K, C)`` of :func:`category_counts`.
        overall: ``(C,)`` shares of the categories.
        names: Names of the categories, by label.
        most: Largest number of categories per anchor.

    Source: SSPC supplement Table 8.
    """
    lines = [
        "| anchor | samples | top categories (share, times the share among all) |",
        "|---:|---:|---|",
    ]
    for anchor in range(len(counts)):
        single = counts[anchor, anchor]
        tops = top_categories(single, overall, most)
        words = ", ".join(f"{_escaped(names[c])} ({share:.0%}, {lift:.1f} times)" for c, share, lift in tops)
        lines.append(f"| {anchor} | {single.sum()} | {words or 'none'} |")
    return "\n".join(lines)


def _escaped(name: str) -> str:
    return " ".join(name.split()).replace("|", "\\|")
