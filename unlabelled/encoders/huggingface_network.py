"""Any network of the library transformers, as an encoder of images, videos or audio."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor

from unlabelled.encoders.library import LibraryEncoder, build, import_library, token_maps

_PREFIXES = ("cls_token", "distillation_token", "register_tokens")
_UNUSED = ("pooler.", "mask_token")  # computed from the output, or for masked images


class HuggingFace(LibraryEncoder):
    """A network of transformers, without a classifier; requires ``transformers`` (extra ``huggingface``).

    The feature is the mean over the tokens of ``last_hidden_state`` but class and register tokens.

    Args:
        name: A folder with ``config.json`` and, for ``pretrained``, the weights; or a name on the hub,
            downloaded unless cached: ``facebook/dinov2-small``, ``MCG-NJU/videomae-base``, ...
        modality: ``image``, ``video`` (VideoMAE, TimeSformer, ViViT) or ``audio`` (AST), whose network takes
            ``input_values (batch, frames, filters)``.
        pretrained: Start from the weights; False: random weights of this configuration.
        options: Further arguments of the configuration.

    Raises:
        ValueError: transformers is not installed, or the network cannot be loaded.
    """

    size_option = "give the options of its configuration, such as {image_size: 96}"

    def __init__(
        self,
        name: str,
        modality: Literal["image", "video", "audio"] = "image",
        pretrained: bool = True,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.modality = modality
        library = import_library("transformers", "HuggingFace")
        given = options or {}

        def make() -> Any:
            if pretrained:
                return library.AutoModel.from_pretrained(name, **given)
            return library.AutoModel.from_config(library.AutoConfig.from_pretrained(name, **given))

        net = build(make, "HuggingFace", name).train()
        self.network, named = net, list(net.named_parameters())
        self.prefix = sum(value.shape[-2] for key, value in named if key.split(".")[-1] in _PREFIXES)
        for key, value in named:
            value.requires_grad_(not any(part in key for part in _UNUSED))  # DDP expects a gradient of all
        sizes = getattr(net.config, "hidden_sizes", None)
        self.dim = int(sizes[-1] if sizes else net.config.hidden_size)

    def network_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to ``(batch, D, *positions)``."""
        if self.modality == "audio":
            out = self.network(input_values=inputs.squeeze(1).transpose(1, 2))
        else:
            video = self.modality == "video"
            out = self.network(pixel_values=inputs.transpose(1, 2) if video else inputs)
        hidden: Tensor = out.last_hidden_state
        return token_maps(hidden, self.prefix) if hidden.ndim == 3 else hidden
