"""Choice of frames of a clip, and their difference from the following frames."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.v2 import functional as TF


def kept_frames(num_native: int, num_frames: int) -> NDArray[np.int64]:
    """Return the indices ``(num_frames,)`` of the kept frames: evenly spread, rounded down.

    Example:
        >>> kept_frames(10, 4).tolist()
        [0, 3, 6, 9]
    """
    return np.linspace(0, num_native - 1, num_frames).astype(np.int64)


def rgb_difference(frames: Tensor, kept: NDArray[np.int64]) -> Tensor:
    """Return the change of luma from each kept frame to the next native one, grey without motion.

    It is ``(Y_t - Y_{t+1} + 255) / 2``, with the luma truncated to whole numbers and the result rounded. The
    last native frame has the difference of the previous one. A clip of a single frame is grey; in the
    released code it is black.

    Args:
        frames: All native frames of the clip ``(T, 3, H, W)`` uint8.
        kept: Indices of the kept frames ``(n,)``.

    Returns:
        ``(n, 3, H, W)`` uint8, all channels equal.

    Source: SCE section 4.2.1 and Table 16 ("diff"); juliendenize/eztorch,
    eztorch/transforms/video/temporal_difference_transform.py; docs/methods/sce.md#augmentations.
    """
    now = torch.from_numpy(np.minimum(kept, max(len(frames) - 2, 0)))
    following = (now + 1).clamp_(max=len(frames) - 1)
    luma, later = (TF.rgb_to_grayscale(frames[indices]).short() for indices in (now, following))
    change = ((luma - later).float() + 255).div_(2).round_()
    difference: Tensor = change.to(torch.uint8).expand(-1, 3, -1, -1)
    return difference
