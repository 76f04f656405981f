"""Area under the interpolated precision-recall curve, as in PASCAL VOC since 2010."""

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
    if scores.ndim != 1 or scores.shape != relevant.shape:
        raise ValueError(
            f"average precision: scores have shape {tuple(scores.shape)} and relevant "
            f"{tuple(relevant.shape)}; expected (n,) twice"
        )
    used = relevant != IGNORED
    truth = (relevant[used] > 0).double()
    if truth.sum() == 0:
        return float("nan")
    ranked, order = scores[used].double().sort(descending=True)
    found = truth[order].cumsum(0)
    last_of_equals = torch.cat(
        [ranked[1:] != ranked[:-1], torch.ones(1, dtype=torch.bool, device=ranked.device)]
    )
    retrieved = torch.arange(1, len(ranked) + 1, device=ranked.device)[last_of_equals]
    found = found[last_of_equals]
    best_precision = (found / retrieved).flip(0).cummax(0).values.flip(0)
    gained = found.diff(prepend=found.new_zeros(1))
    return float((gained * best_precision).sum() / truth.sum())
