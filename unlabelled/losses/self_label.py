"""Cross-entropy of many heads against their pseudo-labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.pseudo_labels import UNLABELLED


def multi_head_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy of each head over the samples with a label.

    Computed in float32 at least, also under autocast.

    Args:
        logits: ``(batch, heads, clusters)``.
        labels: ``(batch, heads)`` int64; for samples without a label
            :data:`~unlabelled.clustering.pseudo_labels.UNLABELLED`.
        weights: ``(batch, heads)``, weights of the samples with a mean of 1 over the data set; None: all 1.

    Returns:
        ``(heads,)``, in nats; 0 for a head without any labelled sample.

    Source: arXiv:2006.13662, section 3; docs/methods/selavi.md#objective (the mean over heads).

    Example:
        >>> import torch
        >>> labels = torch.tensor([[0, 1], [1, UNLABELLED]])
        >>> [round(x, 4) for x in multi_head_cross_entropy(torch.zeros(2, 2, 4), labels).tolist()]  # ln 4
        [1.3863, 1.3863]
    """
    logits = logits if logits.dtype.itemsize >= 4 else logits.float()
    # The row of a sample without a label may hold NaN, which would reach the gradient at a weight of 0.
    logits = logits.masked_fill((labels == UNLABELLED).unsqueeze(2), 0)
    losses = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=UNLABELLED, reduction="none")
    if weights is not None:
        losses = losses * weights
    counts = (labels != UNLABELLED).sum(0).clamp(min=1)
    return losses.sum(0) / counts
