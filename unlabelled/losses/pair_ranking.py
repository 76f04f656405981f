"""Losses over all pairs of the sounds and pictures of a batch, of which one each is the true one.

Each rank compares its own pictures with the sounds of all ranks and its own sounds with all pictures; the
losses are scaled such that their mean over the ranks is the loss of the whole batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, gather_with_gradient, rank, world_size
from unlabelled.losses.correspondence import centre_similarity, ranking_hinge
from unlabelled.losses.mismatch import draw_mismatches, mismatched


class Comparison(NamedTuple):
    """The n clips of a rank among the N of all ranks; similarities are mean cosines over the clusters.

    Attributes:
        pictures: ``(n, N)``, this rank's pictures with all sounds.
        sounds: ``(n, N)``, this rank's sounds with all pictures.
        own: ``(n,)``, of each clip's picture with its own sound.
        wrong_sounds: ``(n, N)`` bool, where ``pictures`` has mismatched pairs.
        wrong_pictures: ``(n, N)`` bool, likewise for ``sounds``.
    """

    pictures: Tensor
    sounds: Tensor
    own: Tensor
    wrong_sounds: Tensor
    wrong_pictures: Tensor

    def directions(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return similarities and mismatched pairs of both directions."""
        return (self.pictures, self.wrong_sounds), (self.sounds, self.wrong_pictures)


def compare_centres(
    visual: Tensor, audio: Tensor, videos: Tensor, silent: Tensor | None = None
) -> Comparison:
    """Compare the cluster centres of all pictures and sounds of all ranks.

    Args:
        visual: ``(n, K, D)``; n is equal on all ranks.
        audio: ``(n, K, D)``, of the same clips.
        videos: ``(n,)``, see :func:`~unlabelled.losses.mismatch.mismatched`.
        silent: ``(n,)`` bool or None, likewise.
    """
    clusters = visual.shape[1]
    pictures = centre_similarity(visual, gather_with_gradient(audio)) / clusters
    sounds = centre_similarity(audio, gather_with_gradient(visual)) / clusters
    places = rank() * len(visual) + torch.arange(len(visual), device=visual.device)
    own = pictures.gather(1, places[:, None]).squeeze(1)
    return Comparison(pictures, sounds, own, *mismatched(videos, silent))


class Ranked(NamedTuple):
    """A loss, and what there is to log of it beside, scalars by name."""

    loss: Tensor
    report: dict[str, Tensor]


class CorrespondenceLoss(ABC):
    """Ranks what belongs together above what does not."""

    @abstractmethod
    def __call__(self, comparison: Comparison, step: int) -> Ranked:
        """Return the loss; ``step`` is what random choices are drawn for."""


class MaxMargin(CorrespondenceLoss):
    """The mean over wrong pairs of what the true pair is short of being ``margin`` better.

    Args:
        margin: Of mean cosines. The released code's loss of summed cosines with margin K is K times this one
            with margin 1.
        negatives: ``all`` wrong pairs of both directions; the ``hardest`` one of each picture and each sound;
            or ``one_random``: for each picture one wrong sound, as the released code does.

    Raises:
        ValueError: ``margin`` is not positive, or ``negatives`` is none of the three.

    Source: reference dmc.md section 1.7.
    """

    def __init__(
        self, margin: float = 1.0, negatives: Literal["all", "hardest", "one_random"] = "all"
    ) -> None:
        if not margin > 0:
            raise ValueError(f"MaxMargin: margin={margin} must be above 0")
        if negatives not in ("all", "hardest", "one_random"):
            raise ValueError(f"MaxMargin: negatives={negatives!r}; expected all, hardest or one_random")
        self.margin, self.negatives = margin, negatives

    def __call__(self, comparison: Comparison, step: int) -> Ranked:
        """Return the loss and ``active_hinges``, the share of wrong pairs that are too good."""
        own, loss, active = comparison.own, [], []
        chosen = self._chosen(comparison, step)
        total = all_reduce_sum_(torch.stack([wrong.sum() for _, wrong in chosen]).sum())
        for similar, wrong in chosen:
            share = wrong.sum() * world_size() / total.clamp_min(1)
            loss.append(share * ranking_hinge(similar, own, wrong, self.margin))
            short = (self.margin + similar.detach() > own[:, None]) & wrong
            active.append(short.sum() * world_size() / total.clamp_min(1))
        return Ranked(torch.stack(loss).sum(), {"active_hinges": torch.stack(active).sum()})

    def _chosen(self, comparison: Comparison, step: int) -> list[tuple[Tensor, Tensor]]:
        """Return similarities, and which of them count, for each direction."""
        if self.negatives == "one_random":
            partner = draw_mismatches(comparison.wrong_sounds, step)
            return [(comparison.pictures, _only(partner, comparison.wrong_sounds))]
        if self.negatives == "all":
            return list(comparison.directions())
        return [
            (similar, _only(similar.masked_fill(~wrong, -torch.inf).argmax(1), wrong))
            for similar, wrong in comparison.directions()
        ]


class PairCrossEntropy(CorrespondenceLoss):
    """The contrastive variant: cross-entropy of finding the own sound among all, and the own picture.

    Ours, over the same centres as the max-margin loss. The contrastive loss of Simplified_DMC belongs to
    another layer, with Euclidean distances (reference dmc.md section 1.9), which is not here.

    Args:
        temperature: Divides the mean cosines.

    Raises:
        ValueError: ``temperature`` is not positive.
    """

    def __init__(self, temperature: float = 0.07) -> None:
        if not temperature > 0:
            raise ValueError(f"PairCrossEntropy: temperature={temperature} must be above 0")
        self.temperature = temperature

    def __call__(self, comparison: Comparison, step: int) -> Ranked:
        """Return the mean of both directions, in nats."""
        terms = [self._surprise(comparison.own, *direction) for direction in comparison.directions()]
        return Ranked(torch.cat(terms).mean(), {})

    def _surprise(self, own: Tensor, similar: Tensor, wrong: Tensor) -> Tensor:
        others = (similar / self.temperature).masked_fill(~wrong, -torch.inf)
        logits = torch.cat([own[:, None] / self.temperature, others], 1)
        return logits.logsumexp(1) - logits[:, 0]


def _only(column: Tensor, allowed: Tensor) -> Tensor:
    """Return ``allowed (n, N)`` with all but one ``column (n,)`` of each row taken away."""
    return allowed & (torch.arange(allowed.shape[1], device=allowed.device) == column[:, None])
