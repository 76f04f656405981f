"""How often the image and the audio of one clip score higher than mismatched pairs."""

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
        pairs: Mismatched pairs.
        sounds: Those that score lower than their image with its own audio; ties count half.
        pictures: Those that score lower than their audio with its own image; likewise.
        rejected: Those that score at most the threshold.
        accepted: Share of the true pairs above the threshold; None without a threshold.
    """

    pairs: float
    sounds: float
    pictures: float
    rejected: float
    accepted: float | None

    def accuracies(self) -> dict[str, float]:
        """Return ``pair_accuracy``, also by direction, and ``two_way_accuracy`` if there is a threshold."""
        sounds, pictures = self.sounds / self.pairs, self.pictures / self.pairs
        scores = {
            "pair_accuracy": (sounds + pictures) / 2,
            "pair_accuracy_sounds": sounds,
            "pair_accuracy_pictures": pictures,
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
    """Compare each image with its own audio and with that of ``mismatches`` other clips.

    The others follow it at evenly spread distances, cyclically; at most all. The ranks share the images.

    Args:
        score: Maps visual and audio codes ``(m, ...)``, row by row, to scores ``(m,)``.
        visual: ``(n, ...)``, n at least 2, the same on all ranks.
        audio: ``(n, ...)``, of the same clips.
        mismatches: Mismatched partners of each image.
        threshold: Pairs above it are classified as true; None: no threshold.

    Source: DTaoo/Simplified_DMC, location_dmc.py, ``eva_metric2`` (pair ranking); Arandjelovic and Zisserman
        2017 (two-way accuracy); docs/methods/dmc.md#correspondence-evaluation.
    """
    total, limit = len(visual), threshold if threshold is not None else 0.0
    own = score(visual, audio).double()
    mine = torch.arange(rank(), total, world_size(), device=own.device)
    counts = own.new_zeros(4)
    for distance in _distances(total, mismatches):
        partner = (mine + distance) % total
        wrong = score(visual[mine], audio[partner]).double()
        wins = [_wins(own[mine], wrong), _wins(own[partner], wrong), (wrong <= limit).double().sum()]
        counts += torch.stack([wrong.new_tensor(len(wrong)), *wins])
    pairs, sounds, pictures, rejected = all_reduce_sum_(counts).tolist()
    accepted = None if threshold is None else float((own > limit).double().mean())
    return PairContest(pairs, sounds, pictures, rejected, accepted)


def _distances(total: int, mismatches: int) -> list[int]:
    spread = torch.linspace(1, total - 1, min(mismatches, total - 1), dtype=torch.float64)
    return sorted(set(spread.round().long().tolist()))


def _wins(true: Tensor, wrong: Tensor) -> Tensor:
    return (true > wrong).double().sum() + 0.5 * (true == wrong).double().sum()
