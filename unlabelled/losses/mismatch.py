"""Mismatched pairs of images and audio tracks, for losses and for the choice of negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import gather_equal_rows, rank
from unlabelled.seeding import global_seed, torch_generator

NONE = -1


def mismatched(videos: Tensor, silent: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Find the mismatched pairs between the clips of this rank and the clips of all ranks.

    Two clips of one video do not count as a mismatched pair, nor do pairs with a silent audio track, which
    would be trivial negatives.

    Args:
        videos: ``(n,)`` int64, equal for clips of one video; n is equal on all ranks.
        silent: ``(n,)`` bool, True for silent audio tracks; None: there are none.

    Returns:
        ``(n, N)`` bool twice: images of this rank with the audio of all ranks, and audio of this rank with
        the images of all ranks.

    Source: ours; docs/methods/dmc.md#loss.
    """
    others = videos[:, None] != gather_equal_rows(videos)
    if silent is None:
        return others, others
    return others & ~gather_equal_rows(silent.to(torch.uint8)).bool(), others & ~silent[:, None]


def draw_mismatches(negative: Tensor, step: int) -> Tensor:
    """Draw one mismatched partner for each clip of this rank, ``(n,)``: a row of all ranks, or :data:`NONE`.

    All clips use the same cyclic distance to their partner, so that no two clips have the same partner. If
    the row at this distance is not allowed, the next allowed row is used. The distance is drawn from the seed
    of the run and the step, equally on all ranks.

    Args:
        negative: ``(n, N)``, True for allowed partners.
        step: Seeds the draw, with the seed of the run.

    Source: one mismatched audio track per image as in DTaoo/DMC, utils/multimodal_loader.py;
        docs/methods/dmc.md#loss and docs/methods/dmc.md#l3-net.
    """
    rows, columns = negative.shape
    distance = torch.randint(
        1, max(columns, 2), (), generator=torch_generator(global_seed(), "mismatch", step)
    )
    own = rank() * rows + torch.arange(rows, device=negative.device)
    first = own + distance
    ahead = (torch.arange(columns, device=negative.device) - first[:, None]) % columns
    chosen = ahead.masked_fill(~negative, columns).argmin(1)
    return torch.where(negative.any(1), chosen, NONE)
