"""Mask R-CNN of torchvision over the encoders of images of this package."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Literal

from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from unlabelled.encoders.image import ImageResNet

Architecture = Literal["c4", "fpn"]
_STEM, _STAGES = 4, 4  # convolution, BatchNorm, ReLU, pooling; residual stages
_PYRAMID, _MASK_CHANNELS = 256, 256
_ANCHORS, _RATIOS = (32, 64, 128, 256, 512), (0.5, 1.0, 2.0)


def mask_rcnn(encoder: ImageResNet, architecture: Architecture, num_classes: int, **options: Any) -> MaskRCNN:
    """Return a Mask R-CNN whose convolutions are those of an encoder.

    ``c4``: proposals and regions from the maps of the third stage; the fourth stage and a BatchNorm are the
    head of boxes and masks. ``fpn``: a feature pyramid over all four stages; heads of convolutions. Both have
    BatchNorm in all heads but the proposals'.

    Args:
        encoder: A ResNet with the stem for large images.
        architecture: ``c4`` or ``fpn``.
        num_classes: Number of classes without the background, which is class 0.
        **options: See ``torchvision.models.detection.MaskRCNN``.

    Raises:
        ValueError: The encoder has the stem for small images.

    Source: He et al. 2017 (arXiv:1703.06870); ``c4``: facebookresearch/moco, detection, and wanggrun/triplet,
    benchmarks/detection; docs/methods/sce.md#object-detection.
    """
    if len(encoder.trunk) != _STEM + _STAGES:
        raise ValueError("mask_rcnn: the encoder must have the stem for large images (small_images: false)")
    build = _c4 if architecture == "c4" else _fpn
    return build(encoder, num_classes + 1, options)


def _c4(encoder: ImageResNet, classes: int, options: dict[str, Any]) -> MaskRCNN:
    backbone: Any = nn.Sequential(*list(encoder.trunk.children())[:-1])
    backbone.out_channels = encoder.dim // 2
    fourth = nn.Sequential(encoder.trunk[-1], nn.BatchNorm2d(encoder.dim))
    regions = MultiScaleRoIAlign(featmap_names=["0"], output_size=14, sampling_ratio=0)
    proposals = {"rpn_pre_nms_top_n_train": 12000, "rpn_pre_nms_top_n_test": 6000}
    return MaskRCNN(
        backbone,
        rpn_anchor_generator=AnchorGenerator((_ANCHORS,), (_RATIOS,)),
        box_roi_pool=regions,
        box_head=nn.Sequential(fourth, nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        box_predictor=FastRCNNPredictor(encoder.dim, classes),
        mask_roi_pool=regions,
        mask_head=fourth,
        mask_predictor=MaskRCNNPredictor(encoder.dim, _MASK_CHANNELS, classes),
        **{**proposals, **options},
    )


def _fpn(encoder: ImageResNet, classes: int, options: dict[str, Any]) -> MaskRCNN:
    return MaskRCNN(
        _Pyramid(encoder),
        box_head=FastRCNNConvFCHead((_PYRAMID, 7, 7), [_PYRAMID] * 4, [1024], norm_layer=nn.BatchNorm2d),
        box_predictor=FastRCNNPredictor(1024, classes),
        mask_head=MaskRCNNHeads(_PYRAMID, [_PYRAMID] * 4, 1, norm_layer=nn.BatchNorm2d),
        mask_predictor=MaskRCNNPredictor(_PYRAMID, _MASK_CHANNELS, classes),
        **options,
    )


class _Pyramid(nn.Module):
    """Maps of all stages, each with what the higher ones know."""

    out_channels = _PYRAMID
    stem: nn.Sequential
    stages: nn.Sequential

    def __init__(self, encoder: ImageResNet) -> None:
        super().__init__()
        parts = list(encoder.trunk.children())
        self.stem, self.stages = nn.Sequential(*parts[:_STEM]), nn.Sequential(*parts[_STEM:])
        channels = [encoder.dim // 2**level for level in range(_STAGES - 1, -1, -1)]
        self.pyramid = FeaturePyramidNetwork(
            channels, _PYRAMID, extra_blocks=LastLevelMaxPool(), norm_layer=nn.BatchNorm2d
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map ``(B, 3, H, W)`` to maps by name, of strides 4 to 64."""
        maps, found = self.stem(images), OrderedDict[str, Tensor]()
        for level, stage in enumerate(self.stages):
            maps = stage(maps)
            found[str(level)] = maps
        pyramid: dict[str, Tensor] = self.pyramid(found)
        return pyramid


def short_sides(train: Sequence[int], evaluation: int) -> tuple[int, ...]:
    """Return the sizes for torchvision's transform: it draws one in training, and else takes the last one.

    Raises:
        ValueError: The one of evaluation is not among those of training.
    """
    if evaluation not in train:
        raise ValueError(f"eval_short_side={evaluation} must be one of train_short_sides={list(train)}")
    return (*(side for side in train if side != evaluation), evaluation)
