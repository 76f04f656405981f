"""Encoders, heads and layers, with the gradients of their weights.

Encoders are in evaluation mode: the statistics of a batch of a few positions enlarge any rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import nn

from tests.gpu.inputs import Cases, Inputs
from unlabelled import encoders
from unlabelled.encoders import MODALITY_NDIM, DAVEnetV1, DAVEnetV2, Encoder, Tokens
from unlabelled.nn.anchors import AnchorBank
from unlabelled.nn.batchnorm import SplitBatchNorm
from unlabelled.nn.heads import MLP, LinearHeads, MultiHead, PrototypeHeads
from unlabelled.nn.queue import FeatureQueue, FillingQueue

LARGE = {
    *("AlexNet", "AudioResNet", "ImageResNet", "ImageResNet: 50, small images", "R2Plus1D18", "ResNet3D"),
    *("ResNet3D: 50", "Timm", "Torchvision", "VGG16"),
}
"""Cases that take seconds on a processor."""

_SIZES = {"image": (32, 40), "audio": (40, 48), "video": (4, 32, 32)}
_STREAMS: dict[str, tuple[int, ...]] = {"text": (5, 12), "video_features": (4, 12), "audio": (1, 40, 64)}


def _encoded(build: Callable[[], nn.Module], size: tuple[int, ...] | None = None) -> Any:
    def compute(x: Inputs) -> Any:
        encoder = cast(Encoder, x.network(build)).eval()
        for weight in encoder.parameters():
            if weight.ndim == 1 and not weight.any():  # the last scale of a residual branch, or a shift
                weight.data.fill_(0.2)
        channels = 1 if encoder.modality == "audio" else 3
        sizes = size or _SIZES[encoder.modality]
        assert len(sizes) == MODALITY_NDIM[encoder.modality] - 2
        return encoder(x.normal(3, channels, *sizes))

    return compute


def _streamed(build: Callable[[], nn.Module]) -> Any:
    def compute(x: Inputs) -> Any:
        encoder = x.network(build).eval()
        shapes = {name: x.normal(3, *shape) for name, shape in _STREAMS.items()}
        masks = {"text_mask": x.mask(3, 5), "video_mask": x.mask(3, 4), "audio_mask": x.mask(3, 64)}
        out = encoder({**shapes, **masks})
        return torch.where(out.mask[..., None], out.values, 0) if isinstance(out, Tokens) else out

    return compute


def _on_rows(build: Callable[[], nn.Module]) -> Any:
    return lambda x: x.network(build)(x.learned(x.normal(8, 12)))


def _of_spectrograms(build: Callable[[], nn.Module]) -> Any:
    return lambda x: x.network(build).eval()(x.normal(3, 1, 40, 64))


def _fused(x: Inputs) -> Any:
    transformer = x.network(lambda: encoders.FusionTransformer(16, depth=2, num_heads=4, cls_token=True))
    return transformer(Tokens(x.learned(x.normal(3, 5, 16)), x.mask(3, 5)))[:, :1]


def _masking_token(x: Inputs) -> Any:
    return x.network(lambda: encoders.MaskingToken(16))(Tokens(x.learned(x.normal(3, 5, 16)), x.mask(3, 5)))


def _queue(kind: type[FeatureQueue]) -> Any:
    def compute(x: Inputs) -> Any:
        queue = cast(FeatureQueue, x.network(lambda: kind(10, 4)))
        for _ in range(3):
            queue.push(x.unit(4, 4), unless=~x.mask(1)[0])
        return queue.rows, queue.pointer

    return compute


def _library(name: Literal["Torchvision", "Timm"], network: str) -> Any:
    return _encoded(lambda: getattr(encoders, name)(network))


ENCODERS: Cases = {
    "AlexNet": _encoded(lambda: encoders.AlexNet(dropout=0.0), (96, 96)),
    "Edges": _encoded(lambda: encoders.Edges(encoders.SmallImageEncoder(4))),
    "ImageResNet": _encoded(lambda: encoders.ImageResNet(18)),
    "ImageResNet: 50, small images": _encoded(lambda: encoders.ImageResNet(50, small_images=True)),
    "SmallImageEncoder": _encoded(lambda: encoders.SmallImageEncoder(4)),
    "SmallVGG": _encoded(lambda: encoders.SmallVGG(4)),
    "VGG16": _encoded(lambda: encoders.VGG16()),
    "Torchvision": _library("Torchvision", "mobilenet_v3_small"),
    "Timm": _library("Timm", "resnet10t"),
    "R2Plus1D18": _encoded(lambda: encoders.R2Plus1D18()),
    "ResNet3D": _encoded(lambda: encoders.ResNet3D(18)),
    "ResNet3D: 50": _encoded(lambda: encoders.ResNet3D(50)),
    "SmallVideoEncoder": _encoded(lambda: encoders.SmallVideoEncoder(4)),
    "RawImage": _encoded(lambda: encoders.RawImage()),
    "RawVideo": _encoded(lambda: encoders.RawVideo()),
    "RawAudio": _encoded(lambda: encoders.RawAudio()),
    "AudioResNet": _encoded(lambda: encoders.AudioResNet(9)),
    "SmallAudioEncoder": _encoded(lambda: encoders.SmallAudioEncoder(4)),
    "VGGishMaps": _encoded(lambda: encoders.VGGishMaps(8)),
    "L3Vision": _encoded(lambda: encoders.L3Vision(4)),
    "L3Audio": _encoded(lambda: encoders.L3Audio(4), (64, 64)),
    "DAVEnet": _of_spectrograms(lambda: encoders.DAVEnet([8, 16], [1, 2], 8)),
    "DAVEnetV1": _of_spectrograms(lambda: DAVEnetV1(16)),
    "DAVEnetV2": _of_spectrograms(lambda: DAVEnetV2(16)),
    "TextTokens": _streamed(lambda: encoders.TextTokens(12, 16)),
    "VideoTokens": _streamed(lambda: encoders.VideoTokens(12, 16)),
    "AudioTokens": _streamed(lambda: encoders.AudioTokens(16, DAVEnetV2(16))),
    "ClipText": _streamed(lambda: encoders.ClipText(12, 16)),
    "ClipVideo": _streamed(lambda: encoders.ClipVideo(12, 16)),
    "ClipAudio": _streamed(lambda: encoders.ClipAudio(16, DAVEnetV1(16))),
    "FusionTransformer": _fused,
    "MaskingToken": _masking_token,
    "GatedUnit": _on_rows(lambda: encoders.GatedUnit(12, 16)),
    "masked_mean": lambda x: encoders.masked_mean(x.learned(x.normal(3, 5, 16)), x.mask(3, 5)),
}

LAYERS: Cases = {
    "MLP": _on_rows(lambda: MLP(12, hidden_dim=16, out_dim=8)),
    "MultiHead": _on_rows(lambda: MultiHead(12, 9, 3, hidden_dim=16, dropout=0.0)),
    "LinearHeads": _on_rows(lambda: LinearHeads(12, 9, 3)),
    "PrototypeHeads": _on_rows(lambda: PrototypeHeads(12, 9, 3, temperature=0.1)),
    "AnchorBank": lambda x: x.network(lambda: AnchorBank(9, 12))(x.unit(8, 12)),
    "SplitBatchNorm": lambda x: x.network(lambda: SplitBatchNorm(6, groups=2))(
        x.learned(x.normal(8, 6, 4, 4))
    ),
    "FeatureQueue": _queue(FeatureQueue),
    "FillingQueue": _queue(FillingQueue),
}
