"""Streams of a batch, each with its mask, and the encoders that map a stream to tokens of one width.

A stream is a sequence of word vectors, of features of frozen networks, or a log-mel spectrogram.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from unlabelled.encoders.davenet import DAVEnet, DAVEnetV2

if TYPE_CHECKING:
    from unlabelled.batch import Batch

_EPS = 1e-6


class Tokens(NamedTuple):
    """A sequence of tokens for each sample of a batch.

    Attributes:
        values: ``(B, T, D)``.
        mask: ``(B, T)`` bool, False where there is no token.

    Example:
        >>> tokens = Tokens(torch.zeros(2, 3, 8), torch.tensor([[True, True, False], [False, False, False]]))
        >>> tokens.nonempty.tolist()
        [True, False]
    """

    values: Tensor
    mask: Tensor

    @property
    def nonempty(self) -> Tensor:
        """``(B,)`` bool, True for samples with at least one token."""
        return self.mask.any(1)


class GatedUnit(nn.Module):
    """A linear map with a gate computed from its output: ``h = W1 x + b1``, then ``h * sigmoid(W2 h + b2)``.

    Args:
        in_dim: Size of a feature.
        out_dim: Size of the result.

    Source: Miech, Laptev and Sivic 2018 (arXiv:1804.02516); Swetha5/Multi_Sinkhorn_Knopp,
    everything_at_once/model/utils/layers.py; docs/methods/sspc.md#token-encoders.
    """

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_dim, out_dim)
        self.gate = nn.Linear(out_dim, out_dim)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(..., in_dim)`` to ``(..., out_dim)``, each feature separately."""
        hidden: Tensor = self.linear(inputs)
        return hidden * torch.sigmoid(self.gate(hidden))


class StreamEncoder(nn.Module, ABC):
    """Base of the encoders of one stream of a batch.

    Attributes:
        modality: ``text``, ``video`` or ``audio``: its name in a method.
        key: The stream's key in a batch.
        in_dim: Width of the pre-extracted features; ``None`` where the encoder takes the signal itself.
    """

    modality: ClassVar[str]
    key: ClassVar[str]
    in_dim: int | None

    def stream(self, batch: Batch) -> Tokens:
        """Return the stream of a batch: ``(B, T, in_dim)``, or spectrograms with a frame mask.

        A sample with a value that is not finite lacks the modality: its values are zeros, its mask is False.

        Raises:
            ValueError: The batch lacks the stream or its mask, or the features have another width.
        """
        mask_key = f"{self.modality}_mask"
        if missing := [key for key in (self.key, mask_key) if key not in batch]:
            raise ValueError(
                f"{type(self).__name__}: the batch lacks {' and '.join(missing)}; it has {sorted(batch)}. "
                f"Let the data module read {self.modality}, or leave {self.modality} out of the model"
            )
        values = batch[self.key]
        if self.in_dim is not None and (values.ndim != 3 or values.shape[2] != self.in_dim):
            raise ValueError(
                f"{type(self).__name__}: {self.key} has shape {tuple(values.shape)}; expected (batch, "
                f"tokens, {self.in_dim}); set --model.init_args.{self.modality}.init_args.in_dim to the "
                "features' width"
            )
        finite = self.finite(batch)
        values = values.masked_fill(~finite.view(-1, *[1] * (values.ndim - 1)), 0)
        return Tokens(values, batch[mask_key].bool() & finite.unsqueeze(1))

    def finite(self, batch: Batch) -> Tensor:
        """Return which samples ``(B,)`` have no value of the stream that is NaN or infinite."""
        finite: Tensor = batch[self.key].isfinite().flatten(1).all(1)
        return finite


def not_finite_shares(encoders: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
    """Return ``not_finite/<modality>``, the share of samples with a value that is NaN or infinite."""
    streams = {name: each for name, each in encoders.items() if isinstance(each, StreamEncoder)}
    return {f"not_finite/{name}": (~each.finite(batch)).float().mean() for name, each in streams.items()}


class TokenEncoder(StreamEncoder):
    """Base of the encoders that map one stream of a batch to tokens.

    Attributes:
        dim: D, size of a token.
    """

    dim: int

    @abstractmethod
    def forward(self, batch: Batch) -> Tokens:
        """Return tokens ``(B, T, dim)``; the tokens of an empty sample are undefined."""


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
    """One token per word.

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
    """One token per feature of a frozen network.

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
    """One token per 64 frames of a log-mel spectrogram, from a CNN that is trained jointly.

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

    def published_names(self) -> dict[str, str]:
        """Return the names of the CNN's parts in the code that EAO and SSPC released."""
        return {f"cnn.{own}": f"cnn.{published}" for own, published in self.cnn.published_names().items()}

    def forward(self, batch: Batch) -> Tokens:
        """Map spectrograms ``(B, 1, mel, frames)`` to tokens ``(B, ceil(frames / stride), dim)``."""
        spectrograms, mask = self.stream(batch)
        maps = self.cnn(spectrograms)
        return Tokens(self.norm(self.projection(maps.transpose(1, 2))), self.cnn.token_mask(mask))
