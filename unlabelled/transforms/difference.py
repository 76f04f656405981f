"""Choice of frames of a clip, and their difference from the frames that follow."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as TF


def kept_frames(num_native: int, num_frames: int) -> NDArray[np.int64]:
    """Return the indices ``(num_frames,)`` of the kept frames: evenly spread, rounded down."""
    return np.linspace(0, num_native - 1, num_frames).astype(np.int64)


def rgb_difference(frames: Tensor, kept: NDArray[np.int64]) -> Tensor:
    """Return the change of luma from each kept frame to the next native one, grey where nothing moves.

    Signed, the kept frame's minus the next one's: ``(Y_t - Y_{t+1} + 255) / 2``, luma cut to whole numbers,
    the result rounded. The last native frame has the difference of the one before. A clip of a single frame
    is grey, as nothing moves in it; the released code makes it black.

    Args:
        frames: All native frames of the clip ``(T, 3, H, W)`` uint8.
        kept: Which of them are kept ``(n,)``.

    Returns:
        ``(n, 3, H, W)`` uint8, all channels equal.

    Source: SCE section 4.2.1 and Table 16 ("diff"); juliendenize/eztorch,
    eztorch/transforms/video/temporal_difference_transform.py; docs/methods/sce.md#augmentations.
    """
    now = torch.from_numpy(np.minimum(kept, max(len(frames) - 2, 0)))
    following = (now + 1).clamp_(max=len(frames) - 1)
    luma, later = (TF.rgb_to_grayscale(frames[places]).short() for places in (now, following))
    moved = ((luma - later).float() + 255).div_(2).round_()
    change: Tensor = moved.to(torch.uint8).expand(-1, 3, -1, -1)
    return change
