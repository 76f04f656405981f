"""Cross-entropy of many heads against their pseudo-labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from unlabelled.clustering.pseudo_labels import UNLABELLED


def multi_head_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return each head's mean cross-entropy; a sample without a label adds nothing.

    Computed in float32 at least, also under autocast.

    Args:
        logits: ``(batch, heads, clusters)``.
        labels: ``(batch, heads)`` int64, :data:`~unlabelled.clustering.pseudo_labels.UNLABELLED` where there is none yet.
        weights: ``(batch, heads)`` of the samples, 1 on the average over the data set; None: 1.

    Returns:
        ``(heads,)``, in nats; 0 for a head without any labelled sample.

    Source: arXiv:2006.13662, section 3; docs/methods/selavi.md#objective (the mean over heads).
    """
    logits = logits if logits.dtype.itemsize >= 4 else logits.float()
    losses = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=UNLABELLED, reduction="none")
    if weights is not None:
        losses = losses * weights
    counts = (labels != UNLABELLED).sum(0).clamp(min=1)
    return losses.sum(0) / counts
