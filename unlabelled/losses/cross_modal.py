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
        _check_temperature(temperature)
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
    """
    _check_temperature(temperature)
    first, second = _in_float32(first), _in_float32(second)
    with torch.autocast(first.device.type, enabled=False):
        first, second = F.normalize(first, dim=1), F.normalize(second, dim=1)
        return _both_directions(first, second, valid, 1 / temperature, 0.0)


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
    first, second = _in_float32(first), _in_float32(second)
    with torch.autocast(first.device.type, enabled=False):
        return _both_directions(first, second, valid, 1.0, margin)


def weighted_pairs(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return ``sum w L / sum w`` over the pairs that have a loss and a weight.

    Args:
        losses: A scalar for each pair, by its name.
        weights: Weights by name; 0 for pairs that are not in it.

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


def _both_directions(first: Tensor, second: Tensor, valid: Tensor, scale: float, margin: float) -> Tensor:
    if first.shape != second.shape or first.ndim != 2 or valid.shape != first.shape[:1]:
        raise ValueError(
            f"expected first and second (B, P) and valid (B,), got {tuple(first.shape)}, "
            f"{tuple(second.shape)} and {tuple(valid.shape)}"
        )
    valid = valid.bool()
    everywhere = gather_equal_rows(valid.to(torch.uint8)).bool()  # NCCL moves no bools
    count = int(everywhere.sum())
    if not count:
        return 0 * (first.sum() + second.sum())
    before = int(everywhere[: rank() * len(valid)].sum())
    target = before + torch.arange(int(valid.sum()), device=first.device)
    total = first.new_zeros(())
    for rows, others in ((first, second), (second, first)):
        logits = scale * rows[valid] @ gather_with_gradient(others)[everywhere].T
        logits = logits.scatter_add(1, target[:, None], logits.new_full((len(target), 1), -margin))
        total = total + F.cross_entropy(logits, target, reduction="sum")
    return total * (world_size() / count)


def _in_float32(features: Tensor) -> Tensor:
    return features.to(torch.promote_types(features.dtype, torch.float32))


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected a positive number (paper: 0.05)")
