"""Any network of torchvision that classifies images or videos, as an encoder."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from torch import Tensor
from torchvision import models
from torchvision.models import feature_extraction

from unlabelled.encoders.library import LibraryEncoder, build, is_file, token_maps

_POOLING = re.compile(r"avgpool|adaptive_avg_pool2d|mean")
_TOKENS = ("norm", "encoder.ln")  # the last norm of MViT and ViT, whose first token is the class token


class Torchvision(LibraryEncoder):
    """A network of torchvision by its name, without its classifier.

    Networks of tokens have no class token in their feature, which is the mean over the other tokens. Those of
    MViT take videos of 16 frames and 224x224 pixels alone.

    Args:
        name: ``resnet34``, ``convnext_tiny``, ``swin_t``, ``vit_b_16``, ...; for videos ``r3d_18``,
            ``mc3_18``, ``r2plus1d_18``, ``s3d``, ``swin3d_t``, ``mvit_v2_s``, ...
        weights: Initial weights: a name of torchvision (``DEFAULT``, ``IMAGENET1K_V1``, ``KINETICS400_V1``;
            downloaded unless cached) or a file of weights; ``null``: random.
        options: Further arguments of the network, such as ``{image_size: 96}`` for ``vit_b_16``.

    Raises:
        FileNotFoundError: ``weights`` names a file that does not exist.
        ValueError: No such network, or one without maps before its classifier; weights that do not fit or
            cannot be downloaded.
    """

    size_option = "for vit_* give options such as {image_size: 96}"

    def __init__(self, name: str, weights: str | None = None, options: dict[str, Any] | None = None) -> None:
        super().__init__()
        videos = models.list_models(module=models.video)
        self.modality = "video" if name in videos else "image"
        known = [*videos, *models.list_models(module=models)]
        given = dict(options or {}, weights=None if is_file(weights) else weights)
        downloads = given["weights"] is not None
        net = build(lambda: models.get_model(name, **given), "Torchvision", name, known, downloads)
        trained, evaluated = (
            _last_maps(names, name) for names in feature_extraction.get_graph_node_names(net)
        )
        self.network = feature_extraction.create_feature_extractor(
            net, train_return_nodes={trained: "maps"}, eval_return_nodes={evaluated: "maps"}
        )
        self.of_tokens = evaluated in _TOKENS
        side = given.get("image_size") or 224
        frames = (16,) if self.modality == "video" else ()
        self.size = (*frames, side, side)
        self.dim = self.measure(3, *self.size)
        if is_file(weights):
            self.load(str(weights))

    def network_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, [T,] H, W)`` to ``(batch, D, *positions)``."""
        maps: Tensor = self.network(inputs)["maps"]
        return token_maps(maps, prefix=1) if self.of_tokens else maps


def _last_maps(nodes: list[str], name: str) -> str:
    """Return the node whose output is pooled, or the last tokens."""
    for node, following in pairwise(nodes):
        if _POOLING.fullmatch(following):
            return node
    for node in _TOKENS:
        if node in nodes:
            return node
    raise ValueError(
        f"Torchvision: {name} has no maps that are pooled before its classifier; take another network, or "
        "unlabelled.encoders.Timm"
    )
