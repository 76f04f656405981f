"""How often the picture and the sound of one clip win against mismatched pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, rank, world_size


@dataclass(frozen=True)
class PairContest:
    """What came of all mismatched pairs, of all ranks.

    Attributes:
        pairs: Mismatched pairs.
        sounds: Of them, those that score lower than their picture with its own sound; ties count half.
        pictures: Those that score lower than their sound with its own picture; likewise.
        rejected: Those that score at most the threshold.
        accepted: Share of the true pairs that score more; None without a threshold.
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
    """Let each picture meet its own sound and those of ``mismatches`` other clips.

    The others are those at evenly spread distances behind it, cyclically; at most all. Each rank does its
    share of the pictures.

    Args:
        score: Maps codes ``(m, ...)`` of pictures and of sounds, row by row, to scores ``(m,)``.
        visual: ``(n, ...)``, n at least 2, the same on all ranks.
        audio: ``(n, ...)``, of the same clips.
        mismatches: Wrong partners of each picture.
        threshold: What scores more is taken for a true pair; None: there is no such.

    Source: reference dmc.md section 1.9 (pair ranking) and 2.6 (two-way accuracy).
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
