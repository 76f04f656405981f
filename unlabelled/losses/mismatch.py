"""Which sounds and pictures do not belong together: for losses, and for the choice of wrong pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import gather_equal_rows, rank
from unlabelled.seeding import global_seed, torch_generator

NONE = -1


def mismatched(videos: Tensor, silent: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Say which pairs of this rank's clips with those of all ranks are wrong ones.

    A pair of one video's own is not, even if the batch has the video twice. Nor is a pair with a silent
    sound, which nothing could be learned from.

    Args:
        videos: ``(n,)`` int64, equal for clips of one video; n is equal on all ranks.
        silent: ``(n,)`` bool, sounds without a sound; None: none.

    Returns:
        ``(n, N)`` bool twice: this rank's pictures with all sounds, and this rank's sounds with all pictures.

    Source: reference dmc.md section 1.7.
    """
    others = videos[:, None] != gather_equal_rows(videos)
    if silent is None:
        return others, others
    return others & ~gather_equal_rows(silent.to(torch.uint8)).bool(), others & ~silent[:, None]


def draw_mismatches(negative: Tensor, step: int) -> Tensor:
    """Choose one wrong partner for each of this rank's clips, ``(n,)``: a row of all ranks, or :data:`NONE`.

    All clips look so many places ahead, so that no two get the same partner; where that one is not allowed,
    the next one counts. The distance is drawn from the run's seed and the step, the same on all ranks.

    Args:
        negative: ``(n, N)``, the partners that are allowed.
        step: What it is drawn for.

    Source: reference dmc.md section 1.7 (one fake sound per picture) and 2.6.
    """
    rows, columns = negative.shape
    distance = torch.randint(
        1, max(columns, 2), (), generator=torch_generator(global_seed(), "mismatch", step)
    )
    own = rank() * rows + torch.arange(rows, device=negative.device)
    first = own + int(distance)
    ahead = (torch.arange(columns, device=negative.device) - first[:, None]) % columns
    chosen = ahead.masked_fill(~negative, columns).argmin(1)
    return torch.where(negative.any(1), chosen, NONE)
