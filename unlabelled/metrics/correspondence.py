"""Comparison of the scores of true pairs of image and audio with those of mismatched pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, rank, world_size


@dataclass(frozen=True)
class PairContest:
    """Counts over the mismatched pairs of all ranks.

    Attributes:
        pairs: Number of mismatched pairs.
        below_image: Number of pairs that score lower than their image with its own audio; ties count half.
        below_audio: Number of pairs that score lower than their audio with its own image; ties count half.
        rejected: Number of pairs that score at most the threshold.
        accepted: Share of the true pairs above the threshold; None without a threshold.
    """

    pairs: float
    below_image: float
    below_audio: float
    rejected: float
    accepted: float | None

    def accuracies(self) -> dict[str, float]:
        """Return ``pair_accuracy``, also by direction, and ``two_way_accuracy`` if there is a threshold."""
        image_wins, audio_wins = self.below_image / self.pairs, self.below_audio / self.pairs
        scores = {
            "pair_accuracy": (image_wins + audio_wins) / 2,
            "pair_accuracy_audio": image_wins,
            "pair_accuracy_images": audio_wins,
        }
        if self.accepted is not None:
            scores["two_way_accuracy"] = (self.accepted + self.rejected / self.pairs) / 2
        return scores


def pair_contest(
    score: Callable[[Tensor, Tensor], Tensor],
    visual: Tensor,
    audio: Tensor,
    mismatches: int,
    threshold: float | None = None,
) -> PairContest:
    """Compare the score of each image with its own audio to the scores with the audio of other clips.

    The other clips follow the image at evenly spread distances, cyclically. The images are divided among the
    ranks.

    Args:
        score: Maps visual and audio codes ``(m, ...)``, row by row, to scores ``(m,)``.
        visual: ``(n, ...)``, codes of images, n at least 2, equal on all ranks.
        audio: ``(n, ...)``, codes of the audio of the same clips.
        mismatches: Number of other clips for each image, at most n - 1.
        threshold: Pairs that score higher are classified as true; None: no threshold.

    Source: DTaoo/Simplified_DMC, location_dmc.py, ``eva_metric2`` (pair ranking); Arandjelovic and Zisserman
        2017 (two-way accuracy); docs/methods/dmc.md#correspondence-evaluation.
    """
    total, limit = len(visual), threshold if threshold is not None else 0.0
    own = score(visual, audio).double()
    images = torch.arange(rank(), total, world_size(), device=own.device)
    counts = own.new_zeros(4)
    for distance in _distances(total, mismatches):
        partner = (images + distance) % total
        wrong = score(visual[images], audio[partner]).double()
        wins = [_wins(own[images], wrong), _wins(own[partner], wrong), (wrong <= limit).double().sum()]
        counts += torch.stack([wrong.new_tensor(len(wrong)), *wins])
    pairs, below_image, below_audio, rejected = all_reduce_sum_(counts).tolist()
    accepted = None if threshold is None else float((own > limit).double().mean())
    return PairContest(pairs, below_image, below_audio, rejected, accepted)


def _distances(total: int, mismatches: int) -> list[int]:
    spread = torch.linspace(1, total - 1, min(mismatches, total - 1), dtype=torch.float64)
    return sorted(set(spread.round().long().tolist()))


def _wins(true: Tensor, wrong: Tensor) -> Tensor:
    return (true > wrong).double().sum() + 0.5 * (true == wrong).double().sum()
