"""Encoders of whole clips for MCN: they pool a stream over time and project the result."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.encoders.davenet import DAVEnet, DAVEnetV1
from unlabelled.encoders.tokens import GatedUnit, StreamEncoder

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class PooledClip(NamedTuple):
    """A stream, pooled over time.

    Attributes:
        values: ``(B, pooled_dim)``; zeros for empty samples.
        nonempty: ``(B,)`` bool.
    """

    values: Tensor
    nonempty: Tensor


class ClipEncoder(StreamEncoder):
    """Base of the encoders that map a stream to one feature per clip, not normalised.

    Attributes:
        pooled_dim: Size of the pooled stream.
        dim: D, size of a feature.
        projection: Maps the pooled stream to the feature.
    """

    pooled_dim: int
    dim: int
    projection: nn.Module

    @abstractmethod
    def pool(self, batch: Batch) -> PooledClip:
        """Return the stream of a batch, pooled over time."""

    def forward(self, batch: Batch) -> Tensor:
        """Return features ``(B, dim)``."""
        feature: Tensor = self.projection(self.pool(batch).values)
        return feature


class ClipText(ClipEncoder):
    """Text encoder: the maximum over the words of a hidden layer, then a gated unit.

    Args:
        in_dim: Width of the word vectors.
        dim: D, also of the hidden layer.

    Source: Chen et al. 2021 (arXiv:2104.12671); brian7685/Multimodal-Clustering-Network,
    model_kmeans_ICCV.py; docs/methods/sspc.md#mcn.
    """

    modality = "text"
    key = "text"

    def __init__(self, in_dim: int = 300, dim: int = 6144) -> None:
        super().__init__()
        self.in_dim, self.pooled_dim, self.dim = in_dim, dim, dim
        self.words = nn.Sequential(nn.Linear(in_dim, dim), nn.ReLU())
        self.projection = GatedUnit(dim, dim)

    def pool(self, batch: Batch) -> PooledClip:
        """Return ``(B, dim)``, the maximum over the words."""
        words, mask = self.stream(batch)
        return PooledClip(_masked_max(self.words(words), mask), mask.any(1))


class ClipVideo(ClipEncoder):
    """Video encoder: the maximum over time of each kind of features, normalised, then a gated unit.

    Args:
        in_dim: Width of the concatenated features of all kinds.
        dim: D.
        streams: Number of concatenated kinds of features of equal width: 2 (2D and 3D), 1 (CLIP).

    Raises:
        ValueError: ``streams`` does not divide ``in_dim``.

    Source: brian7685/Multimodal-Clustering-Network, youtube_dataloader.py and model_kmeans_ICCV.py;
    docs/methods/sspc.md#mcn.
    """

    modality = "video"
    key = "video_features"

    def __init__(self, in_dim: int = 4096, dim: int = 6144, streams: int = 2) -> None:
        super().__init__()
        if streams < 1 or in_dim % streams:
            raise ValueError(f"ClipVideo: streams={streams} must divide in_dim={in_dim}")
        self.in_dim, self.pooled_dim, self.dim, self.streams = in_dim, in_dim, dim, streams
        self.projection = GatedUnit(in_dim, dim)

    def pool(self, batch: Batch) -> PooledClip:
        """Return ``(B, in_dim)``, each kind of features of norm 1."""
        features, mask = self.stream(batch)
        streams = _masked_max(features, mask).reshape(len(mask), self.streams, -1)
        return PooledClip(F.normalize(streams, dim=2).flatten(1), mask.any(1))


class ClipAudio(ClipEncoder):
    """Audio encoder: the mean over time of a CNN, then a gated unit and a linear layer.

    In training the mean includes the padding, in evaluation only real frames, as in the released code.

    Args:
        dim: D.
        cnn: ``null``: :class:`DAVEnetV1`.

    Source: brian7685/Multimodal-Clustering-Network, model_kmeans_ICCV.py; docs/methods/sspc.md#mcn.
    """

    modality = "audio"
    key = "audio"
    in_dim = None

    def __init__(self, dim: int = 6144, cnn: DAVEnet | None = None) -> None:
        super().__init__()
        self.cnn = cnn if cnn is not None else DAVEnetV1()
        self.pooled_dim, self.dim = self.cnn.dim, dim
        hidden = self.cnn.dim
        self.projection = nn.Sequential(GatedUnit(hidden, hidden), nn.Linear(hidden, dim))

    def pool(self, batch: Batch) -> PooledClip:
        """Return ``(B, pooled_dim)``, the mean over time."""
        spectrograms, mask = self.stream(batch)
        maps = self.cnn(spectrograms)  # (B, pooled_dim, T)
        nonempty = self.cnn.token_mask(mask).unsqueeze(1)
        counted = torch.ones_like(nonempty) if self.training else nonempty
        mean = torch.where(counted, maps, 0).sum(2) / counted.sum(2).clamp_min(1)
        return PooledClip(torch.where(mask.any(1, keepdim=True), mean, 0), mask.any(1))


def _masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Return the maximum of ``values (B, T, D)`` over the tokens in the mask, ``(B, D)``; else zeros."""
    peak = values.masked_fill(~mask.unsqueeze(2), -torch.inf).amax(1)
    return torch.where(mask.any(1, keepdim=True), peak, 0)
