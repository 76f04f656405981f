"""Losses over all pairs of the images and audio tracks of a batch; one pair per clip is true.

Each rank compares its own images with the audio of all ranks and its own audio with all images; the losses
are scaled such that their mean over the ranks is the loss of the whole batch.
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
    """Similarities of the n clips of a rank with the N of all ranks: mean cosines over the clusters.

    Attributes:
        images: ``(n, N)``, the images of this rank with the audio of all ranks.
        audio: ``(n, N)``, the audio of this rank with the images of all ranks.
        own: ``(n,)``, the image of each clip with its own audio.
        image_mismatches: ``(n, N)`` bool, True where ``images`` has a mismatched pair.
        audio_mismatches: ``(n, N)`` bool, True where ``audio`` has a mismatched pair.
    """

    images: Tensor
    audio: Tensor
    own: Tensor
    image_mismatches: Tensor
    audio_mismatches: Tensor

    def directions(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return (similarities, mismatches) of both directions: from image to audio, from audio to image."""
        return (self.images, self.image_mismatches), (self.audio, self.audio_mismatches)


def compare_centres(
    visual: Tensor, audio: Tensor, videos: Tensor, silent: Tensor | None = None
) -> Comparison:
    """Compare the cluster centres of the images and audio tracks of all ranks.

    Args:
        visual: ``(n, K, D)``; n is equal on all ranks.
        audio: ``(n, K, D)``, of the same clips.
        videos: ``(n,)``, see :func:`~unlabelled.losses.mismatch.mismatched`.
        silent: ``(n,)`` bool, silent audio tracks; None: there are none.
    """
    clusters = visual.shape[1]
    from_images = centre_similarity(visual, gather_with_gradient(audio)) / clusters
    from_audio = centre_similarity(audio, gather_with_gradient(visual)) / clusters
    columns = rank() * len(visual) + torch.arange(len(visual), device=visual.device)
    own = from_images.gather(1, columns[:, None]).squeeze(1)
    return Comparison(from_images, from_audio, own, *mismatched(videos, silent))


class Ranked(NamedTuple):
    """A loss, and scalars to log beside it, by name."""

    loss: Tensor
    report: dict[str, Tensor]


class CorrespondenceLoss(ABC):
    """Base of the losses that rank true pairs above mismatched ones."""

    @abstractmethod
    def __call__(self, comparison: Comparison, step: int) -> Ranked:
        """Return the loss; ``step``, the optimiser step, seeds random choices."""


class MaxMargin(CorrespondenceLoss):
    """Mean hinge loss of mismatched pairs: the true pair must have a similarity higher by ``margin``.

    Args:
        margin: Difference of mean cosines. The released code sums the cosines and has margin K; its loss is
            K times this one with margin 1.
        negatives: ``all`` mismatched pairs of both directions; the ``hardest`` one of each image and of each
            audio track; or ``one_random``: one mismatched audio track per image, as in the released code.

    Raises:
        ValueError: ``margin`` is not positive, or ``negatives`` is none of the three.

    Source: DTaoo/DMC, models/dmc_model_av.py (margin) and utils/multimodal_loader.py (negatives);
        docs/methods/dmc.md#loss.
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
        """Return the loss and ``active_hinges``, the share of mismatched pairs with a positive hinge."""
        own, loss, active = comparison.own, [], []
        chosen = self._chosen(comparison, step)
        total = all_reduce_sum_(torch.stack([wrong.sum() for _, wrong in chosen]).sum())
        for similar, wrong in chosen:
            share = wrong.sum() * world_size() / total.clamp_min(1)
            loss.append(share * ranking_hinge(similar, own, wrong, self.margin))
            positive = (self.margin + similar.detach() > own[:, None]) & wrong
            active.append(positive.sum() * world_size() / total.clamp_min(1))
        return Ranked(torch.stack(loss).sum(), {"active_hinges": torch.stack(active).sum()})

    def _chosen(self, comparison: Comparison, step: int) -> list[tuple[Tensor, Tensor]]:
        """Return (similarities, pairs to use) for each direction."""
        if self.negatives == "one_random":
            partner = draw_mismatches(comparison.image_mismatches, step)
            return [(comparison.images, _only(partner, comparison.image_mismatches))]
        if self.negatives == "all":
            return list(comparison.directions())
        return [
            (similar, _only(similar.masked_fill(~wrong, -torch.inf).argmax(1), wrong))
            for similar, wrong in comparison.directions()
        ]


class PairCrossEntropy(CorrespondenceLoss):
    """Cross-entropy with the own audio of an image as the class, among all audio tracks, and vice versa.

    Source: ours, with the same centres as the max-margin loss. The contrastive loss of DTaoo/Simplified_DMC
    belongs to another layer (docs/methods/dmc.md#simplified-dmc).

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
        terms = [self._cross_entropy(comparison.own, *direction) for direction in comparison.directions()]
        return Ranked(torch.cat(terms).mean(), {})

    def _cross_entropy(self, own: Tensor, similar: Tensor, wrong: Tensor) -> Tensor:
        others = (similar / self.temperature).masked_fill(~wrong, -torch.inf)
        logits = torch.cat([own[:, None] / self.temperature, others], 1)
        return logits.logsumexp(1) - logits[:, 0]


def _only(column: Tensor, allowed: Tensor) -> Tensor:
    """Return ``allowed (n, N)`` restricted to one ``column (n,)`` of each row."""
    return allowed & (torch.arange(allowed.shape[1], device=allowed.device) == column[:, None])
