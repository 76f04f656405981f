"""Features of each sub-clip of a recording, of which the features of a method are the mean."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.batch import Batch
from unlabelled.contracts import Embeds, HasEncoders
from unlabelled.encoders import MODALITY_NDIM, Encoder, StreamEncoder, Tokens

AUDIO, MASK = "audio", "audio_mask"


def sub_clip_features(module: nn.Module, batch: Batch, grid: tuple[int, int] | None) -> Tensor:
    """Return the features ``(B, V, D)`` float32 of the V sub-clips of each recording of a batch.

    Args:
        module: The method.
        batch: ``audio (B, V, 1, F, T)``, or ``(B, 1, F, T)`` with V = 1; ``audio_mask (B, T)`` for stream
            encoders.
        grid: Numbers of positions of :func:`grid_maxima`; None: the audio feature of the method's ``embed``.

    Raises:
        ValueError: The batch has no audio.
    """
    if AUDIO not in batch:
        raise ValueError(
            f"features of sub-clips: the batches have no audio, only {', '.join(sorted(batch))}; use a "
            "pipeline with audio, such as unlabelled.pipelines.AudioPipeline"
        )
    audio, mask = batch[AUDIO], {name: batch[name] for name in (MASK,) if name in batch}
    clips = audio.unbind(1) if audio.ndim > MODALITY_NDIM[AUDIO] else [audio]
    return torch.stack([_features(module, {AUDIO: clip, **mask}, grid) for clip in clips], 1)


def _features(module: nn.Module, clip: Batch, grid: tuple[int, int] | None) -> Tensor:
    if grid is None:
        assert isinstance(module, Embeds)
        return module.embed(clip)[AUDIO].float()
    assert isinstance(module, HasEncoders)
    return grid_maxima(_maps(module.encoders[AUDIO], clip), grid)


def _maps(encoder: nn.Module, clip: Batch) -> Tensor:
    """Return ``(B, D, *positions)``; tokens of a stream encoder are positions, a single feature is one."""
    if isinstance(encoder, Encoder):
        return encoder.feature_maps(clip[AUDIO])
    assert isinstance(encoder, StreamEncoder)
    out: Tokens | Tensor = encoder(clip)
    return out.values.transpose(1, 2) if isinstance(out, Tokens) else out.unsqueeze(2)


def grid_maxima(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the maxima over the cells of a grid, ``(B, D * cells)`` float32.

    An axis with fewer positions than cells is not pooled.

    >>> maps = torch.arange(8.0).view(1, 1, 2, 4)
    >>> grid_maxima(maps, (1, 2)).tolist()
    [[5.0, 7.0]]

    Args:
        maps: ``(B, D, F, T)``, or ``(B, D, T)`` without an axis of frequencies.
        grid: Numbers of cells along F and T.

    Source: marl/openl3, openl3/models.py: 4x3 cells of 512 channels are 6144 features;
        docs/methods/dmc.md#audio-classification.
    """
    maps = maps.float() if maps.ndim == 4 else maps.float().unsqueeze(2)
    size = [min(cells, positions) for cells, positions in zip(grid, maps.shape[2:], strict=True)]
    return F.adaptive_max_pool2d(maps, size).flatten(1)
