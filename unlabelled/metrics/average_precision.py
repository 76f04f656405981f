"""Average precision: the area under the interpolated curve, or its mean at eleven recalls."""

from __future__ import annotations

import torch
from torch import Tensor

IGNORED = -1


def average_precision(scores: Tensor, relevant: Tensor) -> float:
    """Return the area, in [0, 1], under the curve of the best precision at a recall of at least r.

    Samples of equal scores enter the ranking together, so their order has no influence.

    Args:
        scores: ``(n,)``, larger means more relevant.
        relevant: ``(n,)``, 1: relevant, 0: not relevant, :data:`IGNORED`: left out.

    Returns:
        The average precision; ``nan`` if no sample is relevant.

    Raises:
        ValueError: The shapes differ or are not 1-D.

    Source: salesforce/PCL, eval_svm_voc.py; docs/methods/sce.md#low-shot-svm.

    Example:
        >>> round(average_precision(torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([1, 0, 1, 0])), 4)
        0.8333
    """
    found, retrieved = _curve(scores, relevant)
    if found[-1:].sum() == 0:
        return float("nan")
    gained = found.diff(prepend=found.new_zeros(1))
    return float((gained * _best_precision(found, retrieved)).sum() / found[-1])


def eleven_point_precision(scores: Tensor, relevant: Tensor) -> float:
    """Return the mean over the recalls 0, 0.1, ..., 1 of the best precision at a recall of at least that.

    This is the average precision of PASCAL VOC until 2007. Arguments and ties: :func:`average_precision`.

    Returns:
        The average precision; ``nan`` if no sample is relevant.

    Source: Everingham et al. 2010, section 4.2; SCE Table 9; docs/methods/sce.md#many-shot-transfer.

    Example:
        >>> round(eleven_point_precision(torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([1, 0, 1, 0])), 4)
        0.8485
    """
    found, retrieved = _curve(scores, relevant)
    if found[-1:].sum() == 0:
        return float("nan")
    best = _best_precision(found, retrieved)
    # In whole numbers, as 0.3 and 3 / 10 may differ by rounding.
    reached = [10 * found >= tenth * found[-1] for tenth in range(11)]
    return float(sum(best[mask][0] for mask in reached) / 11)


def _curve(scores: Tensor, relevant: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers of relevant and of all samples above each distinct score, from the largest."""
    if scores.ndim != 1 or scores.shape != relevant.shape:
        raise ValueError(
            f"average precision: scores have shape {tuple(scores.shape)} and relevant "
            f"{tuple(relevant.shape)}; expected (n,) twice"
        )
    used = relevant != IGNORED
    ranked, order = scores[used].double().sort(descending=True)
    found = (relevant[used] > 0).double()[order].cumsum(0)
    last_of_equals = torch.ones_like(ranked, dtype=torch.bool)
    last_of_equals[:-1] = ranked[1:] != ranked[:-1]
    retrieved = torch.arange(1, len(ranked) + 1, device=ranked.device)[last_of_equals]
    return found[last_of_equals], retrieved


def _best_precision(found: Tensor, retrieved: Tensor) -> Tensor:
    """Return the largest precision from each point of the curve on."""
    return (found / retrieved).flip(0).cummax(0).values.flip(0)
