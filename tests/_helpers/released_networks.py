"""The parts of released networks by their names, without computations: what files of their weights contain.

Written from ninatu/everything_at_once and Swetha5/Multi_Sinkhorn_Knopp (model/fusion_model.py, model/utils),
facebookresearch/pytorchvideo (models/resnet.py), juliendenize/eztorch (models/trunks/resnet3d_basic.py) and
torchopenl3 (models.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Parts(nn.Module):
    """Parts by name."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def gated(in_dim: int, out_dim: int) -> Parts:
    return Parts(fc=nn.Linear(in_dim, out_dim), cg=Parts(fc=nn.Linear(out_dim, out_dim)))


def _fusion(dim: int, hidden: int) -> Parts:
    attention = Parts(qkv=nn.Linear(dim, 3 * dim), proj=nn.Linear(dim, dim))
    mlp = Parts(fc1=nn.Linear(dim, hidden), fc2=nn.Linear(hidden, dim))
    block = Parts(norm1=nn.LayerNorm(dim), attn=attention, norm2=nn.LayerNorm(dim), mlp=mlp)
    fusion = Parts(blocks=nn.Sequential(block), norm=nn.LayerNorm(dim))
    fusion.masking_token = nn.Parameter(torch.empty(dim))
    return fusion


def _conv(in_dim: int, out_dim: int, height: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(in_dim, out_dim, (height, width), bias=False)


def _davenet(widths: Sequence[int], blocks: Sequence[int], stem: int, mels: int) -> Parts:
    parts: dict[str, nn.Module] = {
        "batchnorm1": nn.BatchNorm2d(1),
        "conv1": _conv(1, stem, mels, 1),
        "bn1": nn.BatchNorm2d(stem),
    }
    before = stem
    for number, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
        layer = []
        for first in [True, *[False] * (count - 1)]:
            block = Parts(
                conv1=_conv(before, width, 1, 9),
                bn1=nn.BatchNorm2d(width),
                conv2=_conv(width, width, 1, 9),
                bn2=nn.BatchNorm2d(width),
            )
            if first:
                block.downsample = nn.Sequential(_conv(before, width, 1, 1), nn.BatchNorm2d(width))
            layer.append(block)
            before = width
        parts[f"layer{number}"] = nn.Sequential(*layer)
    return Parts(**parts)


def everything_at_once(
    in_dims: dict[str, int],
    dim: int,
    hidden: int,
    projection: int,
    widths: Sequence[int],
    blocks: Sequence[int],
    stem: int,
    mels: int,
) -> Parts:
    """Return the parts of ``EverythingAtOnceModel``."""
    parts: dict[str, nn.Module] = {"fusion": _fusion(dim, hidden)}
    parts["davenet"] = _davenet(widths, blocks, stem, mels)
    for name in ("video", "text", "audio"):
        parts[f"{name}_norm_layer"] = nn.LayerNorm(dim)
        parts[f"{name}_token_proj"] = gated({**in_dims, "audio": widths[-1]}[name], dim)
        parts[f"{name}_proj"] = gated(dim, projection)
    return Parts(**parts)


def with_anchors(model: Parts, dim: int, hidden: int, projection: int, anchors: int) -> Parts:
    """Add what ``TransformerPerModalityModel2`` has more; ``fusion`` is that of text."""
    model.fusion_text = model.fusion
    for name in ("video", "audio"):
        model.add_module(f"fusion_{name}", _fusion(dim, hidden))
    for name in ("text", "video", "audio"):
        for kind, size in (("cluster", dim), ("trans_cluster", projection)):
            bank = Parts(anc_linear=nn.Linear(size, anchors))
            bank.anc_dist = nn.Parameter(torch.zeros(anchors))
            model.add_module(f"{kind}_{name}", bank)
    return model


def _conv3d(in_dim: int, out_dim: int, *kernel: int) -> nn.Conv3d:
    return nn.Conv3d(in_dim, out_dim, kernel, bias=False)


def slow_resnet(depth: int) -> Parts:
    """Return the parts of pytorchvideo's ``Net`` (depth 50), or of eztorch's with basic blocks (18)."""
    counts, widening = {18: ((2, 2, 2, 2), 1), 50: ((3, 4, 6, 3), 4)}[depth]
    blocks: list[nn.Module] = [Parts(conv=_conv3d(3, 64, 1, 7, 7), norm=nn.BatchNorm3d(64))]
    before = 64
    for stage, count in enumerate(counts):
        inner, time, stage_blocks = 64 * 2**stage, 3 if stage > 1 else 1, []
        out = inner * widening
        for number in range(count):
            sizes = [(before, inner, time, 3, 3), (inner, inner, 1, 3, 3)]
            if depth == 50:
                sizes = [(before, inner, time, 1, 1), (inner, inner, 1, 3, 3), (inner, out, 1, 1, 1)]
            branch: dict[str, nn.Module] = {}
            for letter, size in zip("abc", sizes, strict=False):
                branch |= {f"conv_{letter}": _conv3d(*size), f"norm_{letter}": nn.BatchNorm3d(size[1])}
            parts: dict[str, nn.Module] = {}
            if number == 0 and (before != out or stage > 0):
                parts = {"branch1_conv": _conv3d(before, out, 1, 1, 1), "branch1_norm": nn.BatchNorm3d(out)}
            stage_blocks.append(Parts(**parts, branch2=Parts(**branch)))
            before = out
        blocks.append(Parts(res_blocks=nn.ModuleList(stage_blocks)))
    return Parts(blocks=nn.ModuleList(blocks))


def torchopenl3() -> Parts:
    """Return the parts of ``PytorchOpenl3`` that have weights."""
    widths = (1, 64, 64, 128, 128, 256, 256, 512)
    parts: dict[str, nn.Module] = {}
    for number, (before, after) in enumerate(zip(widths, [*widths[1:], 512], strict=True), 1):
        parts[f"batch_normalization_{number}"] = nn.BatchNorm2d(before)
        name = f"conv2d_{number}" if number < 8 else "audio_embedding_layer"
        parts[name] = nn.Conv2d(before, after, 3)
    return Parts(**parts)


def draw(module: nn.Module) -> None:
    """Fill all weights and statistics with random numbers, so that no two are equal."""
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.5, 1.5)
