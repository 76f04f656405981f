"""DAVEnet: a residual network over time that maps a log-mel spectrogram to audio tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_KERNEL = 9  # frames
_STEM = 128  # channels


class DAVEnet(nn.Module):
    """Convolutions over the frames, the first one over all mel bands at once.

    The first block of each stage halves the number of frames, rounded up. The released code also has a
    BatchNorm of the input, which it never applies (2 parameters); here there is none.

    Args:
        widths: Channels of each stage.
        blocks: Residual blocks of each stage.
        stem: Channels before the first stage.
        num_mels: Mel bands of the spectrogram.

    Attributes:
        dim: D, channels of the last stage.
        stride: Frames per token.

    Raises:
        ValueError: ``widths`` and ``blocks`` differ in length, or a number is below 1.

    Source: Harwath et al. 2020 (arXiv:1911.09602); Swetha5/Multi_Sinkhorn_Knopp,
    everything_at_once/model/utils/davenet.py; docs/methods/sspc.md#token-encoders.
    """

    def __init__(
        self, widths: Sequence[int], blocks: Sequence[int], stem: int = _STEM, num_mels: int = 40
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or min(*widths, *blocks, stem, num_mels) < 1:
            raise ValueError(
                f"DAVEnet: widths={list(widths)}, blocks={list(blocks)}, stem={stem} and "
                f"num_mels={num_mels}; expected as many widths as blocks, and all of them at least 1"
            )
        self._blocks = tuple(blocks)
        self.num_mels, self.dim, self.stride = num_mels, widths[-1], 2 ** len(widths)
        # A kernel (mel bands, 1) over one channel, written as one of width 1 over the bands as channels.
        bands = _convolution(num_mels, stem, 1)
        nn.init.normal_(bands.weight, std=math.sqrt(2 / (num_mels * stem)))
        self.stem = nn.Sequential(bands, nn.BatchNorm1d(stem), nn.ReLU(inplace=True))
        layers: list[nn.Module] = []
        for before, after, count in zip([stem, *widths], widths, blocks, strict=False):
            layers += [_Block(before, after, stride=2)]
            layers += [_Block(after, after, stride=1) for _ in range(count - 1)]
        self.trunk = nn.Sequential(*layers)

    def published_names(self) -> dict[str, str]:
        """Return the names in ninatu/everything_at_once, everything_at_once/model/utils/davenet.py."""
        names, number = {"stem.0": "conv1", "stem.1": "bn1"}, 0
        for stage, count in enumerate(self._blocks, 1):
            for block in range(count):
                own, published = f"trunk.{number}", f"layer{stage}.{block}"
                parts = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2"}
                names |= {f"{own}.branch.{ours}": f"{published}.{theirs}" for ours, theirs in parts.items()}
                names[f"{own}.shortcut"] = f"{published}.downsample"
                number += 1
        return names

    def forward(self, spectrograms: Tensor) -> Tensor:
        """Map ``(batch, 1, mel, frames)`` to ``(batch, D, ceil(frames / stride))``.

        Raises:
            ValueError: Another number of mel bands.
        """
        if spectrograms.shape[1:3] != (1, self.num_mels):
            raise ValueError(
                f"audio has shape {tuple(spectrograms.shape)}; expected (batch, 1, {self.num_mels}, frames): "
                f"log-mel spectrograms of {self.num_mels} bands"
            )
        maps: Tensor = self.trunk(self.stem(spectrograms.squeeze(1)))
        return maps

    def token_mask(self, frame_mask: Tensor) -> Tensor:
        """Map ``(batch, frames)`` to ``(batch, ceil(frames / stride))``: the tokens with any real frame."""
        padded = F.pad(frame_mask, (0, -frame_mask.shape[1] % self.stride))
        return padded.reshape(len(padded), -1, self.stride).any(2)


class DAVEnetV1(DAVEnet):
    """1024 features every 16 frames (AVLnet, MCN): 44 670 976 parameters.

    Args:
        width_divisor: Divides all widths, for demos and tests on a CPU.
    """

    def __init__(self, width_divisor: int = 1) -> None:
        widths = [128, 256, 512, 1024]
        super().__init__(_narrow(widths, width_divisor), [2, 2, 2, 2], _STEM // width_divisor)


class DAVEnetV2(DAVEnet):
    """4096 features every 64 frames (EAO, SSPC): 314 710 016 parameters; 768 frames make 12 tokens.

    Args:
        width_divisor: Divides all widths, for demos and tests on a CPU.
    """

    def __init__(self, width_divisor: int = 1) -> None:
        widths = [128, 256, 512, 1024, 2048, 4096]
        super().__init__(_narrow(widths, width_divisor), [2, 2, 1, 1, 1, 1], _STEM // width_divisor)


def _narrow(widths: list[int], divisor: int) -> list[int]:
    if divisor < 1 or _STEM % divisor:
        raise ValueError(f"DAVEnet: width_divisor={divisor} must divide {_STEM}")
    return [width // divisor for width in widths]


def _convolution(in_dim: int, out_dim: int, kernel: int, stride: int = 1) -> nn.Conv1d:
    convolution = nn.Conv1d(in_dim, out_dim, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.normal_(convolution.weight, std=math.sqrt(2 / (kernel * out_dim)))
    return convolution


class _Block(nn.Module):
    """Two convolutions beside an identity, or beside a convolution of width 1 where the shape changes."""

    def __init__(self, in_dim: int, out_dim: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            _convolution(in_dim, out_dim, _KERNEL, stride),
            nn.BatchNorm1d(out_dim),
            nn.ReLU(inplace=True),
            _convolution(out_dim, out_dim, _KERNEL),
            nn.BatchNorm1d(out_dim),
        )
        changes = stride != 1 or in_dim != out_dim
        shortcut = [_convolution(in_dim, out_dim, 1, stride), nn.BatchNorm1d(out_dim)] if changes else []
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, in_dim, frames)`` to ``(batch, out_dim, ceil(frames / stride))``."""
        return torch.relu(self.branch(inputs) + self.shortcut(inputs))
