"""Any network of the library timm, as an encoder of images."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unlabelled.encoders.library import LibraryEncoder, build, import_library, is_file, token_maps

_PRETRAINED = "pretrained"


class Timm(LibraryEncoder):
    """A network of timm by its name, without its classifier; requires ``timm`` (extra ``timm``).

    Args:
        name: As of ``timm.create_model``: ``resnet26d``, ``vit_small_patch16_224.dino``, ...
        weights: ``pretrained``: timm's, downloaded unless cached; or a file of weights (also
            ``.safetensors``); ``null``: random.
        options: Further arguments of ``timm.create_model``, such as ``{img_size: 96}``. ``global_pool`` is
            none by default; ``{global_pool: token}`` takes the class token as the feature, without maps.

    Raises:
        FileNotFoundError: ``weights`` names a file that does not exist.
        ValueError: timm is not installed, has no such network, or refuses an option; weights that do not fit
            or cannot be downloaded.
    """

    modality = "image"
    size_option = "give options such as {img_size: 96}"

    def __init__(self, name: str, weights: str | None = None, options: dict[str, Any] | None = None) -> None:
        super().__init__()
        if weights is not None and weights != _PRETRAINED and not is_file(weights):
            raise ValueError(
                f"Timm: weights={weights!r}; expected {_PRETRAINED}, the path of a file, or null"
            )
        timm = import_library("timm", "Timm")
        given = {"num_classes": 0, "global_pool": "", **(options or {})}
        known = [] if "." in name or ":" in name else timm.list_models()  # else a tag or a hub
        pretrained = weights == _PRETRAINED
        downloads = pretrained or ":" in name
        net = build(
            lambda: timm.create_model(name, pretrained=pretrained, **given), "Timm", name, known, downloads
        )
        self.network, self.prefix = net, int(getattr(net, "num_prefix_tokens", 0))
        self.channels_last = getattr(net, "output_fmt", "NCHW") == "NHWC"
        channels, height, width = net.default_cfg["input_size"]
        side = given.get("img_size")
        self.size = (side, side) if isinstance(side, int) else tuple(side or (height, width))
        self.dim = self.measure(given.get("in_chans", channels), *self.size)
        if is_file(weights):
            self.load(str(weights))

    def network_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, 3, H, W)`` to ``(batch, D, *positions)``."""
        out: Tensor = self.network(inputs)
        if out.ndim == 2:
            return out.unsqueeze(2)
        if out.ndim == 3:
            return token_maps(out, self.prefix)
        return out.permute(0, 3, 1, 2) if self.channels_last else out
