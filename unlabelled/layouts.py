"""Key layouts of checkpoints: of this package, of the code that papers released, and of libraries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from unlabelled.released_heads import stack_heads

_ENCODER = re.compile(r"encoders\.(\w+)\.(.*)")


class Layout(NamedTuple):
    """The keys of one code, and where they are in a method of this package.

    Attributes:
        name: The code.
        rules: Pattern of a whole key, and the method's key. ``{visual}`` stands for the visual modality of
            the method, ``{only}`` for the modality of a method with a single encoder. The first rule that
            matches is applied; keys without a rule have no place. Names within an encoder are those of its
            ``published_names``, or its own.
        prepare: Called with the weights of the file; its result has the keys of the rules.
    """

    name: str
    rules: tuple[tuple[str, str], ...]
    prepare: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict

    def place(self, keys: Iterable[str], encoders: Mapping[str, nn.Module]) -> dict[str, str]:
        """Return the keys of a method by the keys of a file.

        Args:
            keys: Of the file.
            encoders: The encoders of the method by modality.
        """
        visual = next((name for name in ("video", "image") if name in encoders), None)
        only = next(iter(encoders)) if len(encoders) == 1 else None
        rules = [
            (re.compile(pattern), target.replace("{visual}", str(visual)).replace("{only}", str(only)))
            for pattern, target in self.rules
            if (visual or "{visual}" not in target) and (only or "{only}" not in target)
        ]
        placed = {}
        for key in keys:
            found = next((match.expand(to) for rule, to in rules if (match := rule.fullmatch(key))), None)
            if found is not None:
                placed[key] = _with_own_name(found, encoders)
        return placed


def _with_own_name(key: str, encoders: Mapping[str, nn.Module]) -> str:
    match = _ENCODER.fullmatch(key)
    if match is None or match[1] not in encoders:
        return key
    return f"encoders.{match[1]}.{own_name(match[2], names_of(encoders[match[1]]))}"


def names_of(encoder: nn.Module) -> dict[str, str]:
    """Return the published names of the parts of an encoder by its own ones; empty where it has none."""
    names = getattr(encoder, "published_names", None)
    return dict(names()) if callable(names) else {}


def own_name(key: str, names: Mapping[str, str]) -> str:
    """Return a key of an encoder with the encoder's own names for the published ones.

    >>> own_name("conv1.weight", {"trunk.0": "conv1"})
    'trunk.0.weight'
    """
    if any(key.startswith(f"{own}.") for own, published in names.items() if not published):
        return key  # its own name already
    return _renamed(key, {published: own for own, published in names.items()})


def published_name(key: str, names: Mapping[str, str]) -> str:
    """Return a key of an encoder with published names; the inverse of :func:`own_name`.

    >>> published_name("trunk.0.weight", {"trunk.0": "conv1"})
    'conv1.weight'
    """
    return _renamed(key, names)


def _renamed(key: str, names: Mapping[str, str]) -> str:
    """Replace the longest beginning of a key that is in ``names``; an empty one is that of every key."""
    parts = key.split(".")
    for length in range(len(parts), -1, -1):
        start = ".".join(parts[:length])
        if start in names:
            rest = parts[length:]
            return ".".join([names[start], *rest] if names[start] else rest)
    return key


_STREAM = "(text|video|audio)"
_INDEX = {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3", 7: "layer4"}
_BLOCK = {
    "norm1": "attention_norm",
    "norm2": "mlp_norm",
    r"attn\.qkv": "attention.inputs",
    r"attn\.proj": "attention.output",
    r"mlp\.fc1": "mlp.0",
    r"mlp\.fc2": "mlp.2",
}


def _transformer(pattern: str, name: str, group: int) -> tuple[tuple[str, str], ...]:
    """Return the rules of a fusion transformer; ``group`` is the number of groups in ``pattern``."""
    return tuple(
        (
            rf"{pattern}\.blocks\.(\d+)\.{theirs}\.(.*)",
            rf"transformers.{name}.blocks.\{group + 1}.{ours}.\{group + 2}",
        )
        for theirs, ours in _BLOCK.items()
    )


_BASES = (
    (r"video_network\.base\.(.*)", r"encoders.{visual}.\1"),
    (r"audio_network\.base\.(.*)", r"encoders.audio.\1"),
)


def _projector(letter: str, modality: str) -> tuple[tuple[str, str], ...]:
    """Return the rules of a projector of GDT, by the numbers of its layers there and here."""
    return tuple(
        (rf"mlp_{letter}\.block_forward\.{theirs}\.(.*)", rf"projectors.{modality}.{ours}.\1")
        for theirs, ours in {2: 1, 4: 2, 8: 5}.items()
    )


LAYOUTS = (
    Layout("this package", (("(.*)", r"\1"),)),
    Layout("one network", (("(.*)", r"encoders.{only}.\1"),)),
    Layout(
        "MoCo",
        (
            (r"encoder_q\.fc\.(.*)", r"projector.\1"),
            (r"encoder_q\.(.*)", r"encoders.{visual}.\1"),
        ),
    ),
    Layout(
        "SeLaVi and GDT",
        (*_BASES, (r"mlp_v\.(.*)", r"heads.{visual}.\1"), (r"mlp_a\.(.*)", r"heads.audio.\1")),
        prepare=stack_heads,
    ),
    Layout("GDT", (*_BASES, *_projector("v", "{visual}"), *_projector("a", "audio"))),
    Layout(
        "eztorch",
        (
            (r"trunk\.(?:model\.)?(.*)", r"encoders.{visual}.\1"),
            (r"(projector|predictor)\.layers\.(.*)", r"\1.\2"),
        ),
    ),
    Layout("solo-learn and lightly", ((r"(?:backbone|encoder)\.(.*)", r"encoders.{visual}.\1"),)),
    Layout(
        "lightly, layers by number",
        tuple((rf"backbone\.{i}\.(.*)", rf"encoders.{{visual}}.{name}.\1") for i, name in _INDEX.items()),
    ),
    Layout(
        "EAO and SSPC",
        (
            (rf"{_STREAM}_token_proj\.fc\.(.*)", r"encoders.\1.projection.linear.\2"),
            (rf"{_STREAM}_token_proj\.cg\.fc\.(.*)", r"encoders.\1.projection.gate.\2"),
            (rf"{_STREAM}_norm_layer\.(.*)", r"encoders.\1.norm.\2"),
            (r"davenet\.(.*)", r"encoders.audio.cnn.\1"),
            (rf"{_STREAM}_proj\.fc\.(.*)", r"projections.\1.linear.\2"),
            (rf"{_STREAM}_proj\.cg\.fc\.(.*)", r"projections.\1.gate.\2"),
            (r"proj\.fc\.(.*)", r"projections.shared.linear.\1"),
            (r"proj\.cg\.fc\.(.*)", r"projections.shared.gate.\1"),
            (r"fusion\.masking_token", "masking_token.token"),
            (r"fusion\.cls_token", "transformers.shared.cls_token"),
            *_transformer("fusion", "shared", 0),
            *_transformer(f"fusion_{_STREAM}", r"\1", 1),
            (rf"cluster_{_STREAM}\.anc_linear\.weight", r"anchors.inputs.\1.weight"),
            (rf"trans_cluster_{_STREAM}\.anc_linear\.weight", r"anchors.projected.\1.weight"),
        ),
    ),
    Layout(
        "Simplified DMC",
        (
            (r"visual_net\.(.*)", r"encoders.{visual}.\1"),
            (r"audio_net\.conv1_a\.(.*)", r"encoders.audio.conv1.\1"),
            (r"audio_net\.(?!conv1\.)(.*)", r"encoders.audio.\1"),
        ),
    ),
)
"""All layouts; the file has the layout that finds a place for most of its weights, the first of several."""
