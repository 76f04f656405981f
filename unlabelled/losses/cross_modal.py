"""Contrastive losses between the features of two modalities: positives are the features of the same clip.

Each rank compares its own rows with those of all ranks; the losses are scaled such that their mean over the
ranks is the loss of the whole batch, and DDP's mean of the gradients is its gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.distributed import gather_equal_rows, gather_with_gradient, rank, world_size
from unlabelled.losses.row_shares import counted_rows

_TEMPERATURE_ERROR = "temperature is {}, expected a positive number (paper: 0.05)"


class PairLoss(ABC):
    """Loss between the features of two modalities, one row per clip."""

    @abstractmethod
    def __call__(self, first: Tensor, second: Tensor, valid: Tensor) -> Tensor:
        """Return the loss of ``first`` and ``second (B, P)`` over the rows where ``valid (B,)`` is true.

        B is equal on all ranks, the number of valid rows need not be.
        """


class SymmetricNCE(PairLoss):
    """InfoNCE of cosines in both directions; see :func:`symmetric_nce`.

    Args:
        temperature: tau.

    Raises:
        ValueError: ``temperature`` is not positive.
    """

    def __init__(self, temperature: float = 0.05) -> None:
        if not temperature > 0:
            raise ValueError(_TEMPERATURE_ERROR.format(temperature))
        self.temperature = temperature

    def __call__(self, first: Tensor, second: Tensor, valid: Tensor) -> Tensor:
        """Return the loss, in nats; see :class:`PairLoss`."""
        return symmetric_nce(first, second, valid, self.temperature)


class MaskedMarginSoftmax(PairLoss):
    """MMS of dot products in both directions; see :func:`masked_margin_softmax`.

    Args:
        margin: delta.
    """

    def __init__(self, margin: float = 0.001) -> None:
        self.margin = margin

    def __call__(self, first: Tensor, second: Tensor, valid: Tensor) -> Tensor:
        """Return the loss, in nats; see :class:`PairLoss`."""
        return masked_margin_softmax(first, second, valid, self.margin)


def symmetric_nce(first: Tensor, second: Tensor, valid: Tensor, temperature: float = 0.05) -> Tensor:
    """Return InfoNCE of the cosines, from first to second plus from second to first, in nats.

    Negatives are all other valid clips of all ranks. Computed in float32 at least, also under autocast.

    Args:
        first: ``(B, P)``; normalised here. B is equal on all ranks.
        second: ``(B, P)``, the same clips.
        valid: ``(B,)`` bool, clips that have both modalities.
        temperature: tau.

    Returns:
        A scalar; 0, with a gradient of 0, if no rank has a valid clip.

    Raises:
        ValueError: ``temperature`` is not positive, or the shapes do not fit.

    Source: EAO (Shvetsova et al. 2022, arXiv:2112.04446); ninatu/everything_at_once,
    everything_at_once/loss/contrastive_losses.py (NormSoftmaxLoss); docs/methods/sspc.md#nce-loss.

    Example:
        >>> features, valid = torch.eye(4), torch.tensor([True, True, True, False])
        >>> round(float(symmetric_nce(features, features, valid, temperature=0.5)), 4)  # 2 ln(1 + 2 exp(-2))
        0.4791
    """
    if not temperature > 0:
        raise ValueError(_TEMPERATURE_ERROR.format(temperature))
    return _both_directions(first, second, valid, 1 / temperature, 0.0, normalise=True)


def masked_margin_softmax(first: Tensor, second: Tensor, valid: Tensor, margin: float = 0.001) -> Tensor:
    """Return the cross-entropy of the dot products in both directions, the positives reduced by a margin.

    Computed in float32 at least, also under autocast.

    Args:
        first: ``(B, P)``, not normalised here. B is equal on all ranks.
        second: ``(B, P)``, the same clips.
        valid: ``(B,)`` bool, clips that have both.
        margin: delta.

    Returns:
        A scalar; 0, with a gradient of 0, if no rank has a valid clip.

    Raises:
        ValueError: The shapes do not fit.

    Source: MMS loss of AVLnet (arXiv:2006.09199) and MCN (arXiv:2104.12671);
    brian7685/Multimodal-Clustering-Network, loss.py; docs/methods/sspc.md#mcn.
    """
    return _both_directions(first, second, valid, 1.0, margin, normalise=False)


def weighted_pairs(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return ``sum w L / sum w``, with weights w and losses L, over the pairs that have both.

    Args:
        losses: A scalar for each pair, by its name.
        weights: A weight by the name of a pair; a missing one is 0.

    Raises:
        ValueError: No pair has both.

    Source: ninatu/everything_at_once, everything_at_once/loss/combinatorial_loss.py (CombinatorialLoss);
    docs/methods/sspc.md#nce-loss.
    """
    counted = {name: weights[name] for name in losses if weights.get(name, 0.0) != 0}
    if not counted:
        raise ValueError(
            f"pairs {list(losses)} have losses and pairs {[name for name, w in weights.items() if w]} have "
            "weights, but none has both; check the names in the weights"
        )
    total = torch.stack([weight * losses[name] for name, weight in counted.items()]).sum()
    return total / sum(counted.values())


def _both_directions(
    first: Tensor, second: Tensor, valid: Tensor, scale: float, margin: float, normalise: bool
) -> Tensor:
    """Return the sum of the cross-entropies from first to second and back, in float32 at least."""
    if first.shape != second.shape or first.ndim != 2 or valid.shape != first.shape[:1]:
        raise ValueError(
            f"expected first and second (B, P) and valid (B,), got {tuple(first.shape)}, "
            f"{tuple(second.shape)} and {tuple(valid.shape)}"
        )
    sides = [side.to(torch.promote_types(side.dtype, torch.float32)) for side in (first, second)]
    valid = valid.bool()
    with torch.autocast(first.device.type, enabled=False):
        first, second = (counted_rows(side, valid) for side in sides)
        if normalise:
            first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
        all_valid = gather_equal_rows(valid.to(torch.uint8)).bool()  # NCCL moves no bools
        own = rank() * len(valid) + torch.arange(len(valid), device=first.device)
        total = first.new_zeros(())
        for queries, keys in ((first, second), (second, first)):
            # The clips without both are masked, not removed: their number would have to be waited for.
            logits = scale * queries @ gather_with_gradient(keys).T
            logits = logits.scatter_add(1, own[:, None], logits.new_full((len(own), 1), -margin))
            logits = logits.masked_fill(~all_valid, -torch.inf).where(valid[:, None], 0)
            total = total + F.cross_entropy(logits, own, reduction="none").where(valid, 0).sum()
        return total * (world_size() / all_valid.sum().clamp(min=1))
