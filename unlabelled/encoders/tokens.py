"""Token encoders of text, video and audio: from features of frozen networks or an audio CNN to one width."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from torch import nn

from unlabelled.encoders.davenet import DAVEnet, DAVEnetV2
from unlabelled.encoders.gated import GatedUnit
from unlabelled.encoders.streams import StreamEncoder, Tokens

if TYPE_CHECKING:
    from unlabelled.batch import Batch

_EPS = 1e-6


class TokenEncoder(StreamEncoder):
    """Maps one stream of a batch to tokens.

    Attributes:
        dim: D, size of a token.
    """

    dim: int

    @abstractmethod
    def forward(self, batch: Batch) -> Tokens:
        """Return tokens ``(B, T, dim)``; those of an empty item are undefined."""


class _FeatureTokens(TokenEncoder):
    """Gated projection and LayerNorm of pre-extracted features."""

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.in_dim, self.dim = in_dim, dim
        self.projection = GatedUnit(in_dim, dim)
        self.norm = nn.LayerNorm(dim, eps=_EPS)

    def forward(self, batch: Batch) -> Tokens:
        """Map the features ``(B, T, in_dim)`` to tokens ``(B, T, dim)``."""
        features, mask = self.stream(batch)
        return Tokens(self.norm(self.projection(features)), mask)


class TextTokens(_FeatureTokens):
    """A token per word.

    Args:
        in_dim: Width of the word vectors: 300 (word2vec), 512 (CLIP).
        dim: D.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/model/fusion_model.py;
    docs/methods/sspc.md#token-encoders.
    """

    modality = "text"
    key = "text"

    def __init__(self, in_dim: int = 300, dim: int = 4096) -> None:
        super().__init__(in_dim, dim)


class VideoTokens(_FeatureTokens):
    """A token per feature of a frozen network.

    Args:
        in_dim: Width of the features: 4096 (ResNet-152 and ResNeXt-101), 1024 (S3D), 512 (CLIP).
        dim: D.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/model/fusion_model.py;
    docs/methods/sspc.md#token-encoders.
    """

    modality = "video"
    key = "video_features"

    def __init__(self, in_dim: int = 4096, dim: int = 4096) -> None:
        super().__init__(in_dim, dim)


class AudioTokens(TokenEncoder):
    """A token per 64 frames of a log-mel spectrogram, by a CNN that is trained jointly.

    Args:
        dim: D.
        cnn: ``null``: :class:`DAVEnetV2`.

    Source: SSPC supplement, section 5; Swetha5/Multi_Sinkhorn_Knopp,
    everything_at_once/model/fusion_model.py; docs/methods/sspc.md#token-encoders.
    """

    modality = "audio"
    key = "audio"
    in_dim = None

    def __init__(self, dim: int = 4096, cnn: DAVEnet | None = None) -> None:
        super().__init__()
        self.cnn = cnn if cnn is not None else DAVEnetV2()
        self.dim = dim
        self.projection = GatedUnit(self.cnn.dim, dim)
        self.norm = nn.LayerNorm(dim, eps=_EPS)

    def forward(self, batch: Batch) -> Tokens:
        """Map spectrograms ``(B, 1, mel, frames)`` to tokens ``(B, ceil(frames / stride), dim)``."""
        spectrograms, mask = self.stream(batch)
        maps = self.cnn(spectrograms)
        return Tokens(self.norm(self.projection(maps.transpose(1, 2))), self.cnn.token_mask(mask))
