"""Augmentation of whole batches, on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from tests.gpu.inputs import Cases, Inputs
from unlabelled.pipelines.finish import finish_batch
from unlabelled.transforms import Augmentation, Strong, StrongAlpha, StrongBeta, StrongGamma, Weak
from unlabelled.transforms.augmentation import gaussian_blur
from unlabelled.transforms.colour import adjust, luma, shift_colours, shift_hue, solarize, to_grey


def _drawn(x: Inputs, augmentation: Augmentation, rows: int = 6) -> Any:
    rng = np.random.default_rng(0)
    parameters = default_collate([augmentation.draw(rng) for _ in range(rows)])
    floats = {name: values.to(x.dtype) for name, values in parameters.items() if values.is_floating_point()}
    return {name: values.to(x.device) for name, values in {**parameters, **floats}.items()}


def _augmented(augmentation: Augmentation, frames: tuple[int, ...] = ()) -> Any:
    def compute(x: Inputs) -> Any:
        with torch.autocast(x.device.type, enabled=False):  # as in a pipeline
            return augmentation.apply(x.uniform(6, 3, *frames, 24, 24), _drawn(x, augmentation))

    return compute


def _finished(x: Inputs) -> Any:
    augmentation = Strong()
    views = [x.integers(256, 6, 3, 24, 24).to(torch.uint8)]
    drawn = {
        name: each.float() if each.is_floating_point() else each
        for name, each in _drawn(x, augmentation).items()
    }
    batch = {"views": views, "augmentations": [drawn]}
    return finish_batch(batch, [augmentation], (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))["views"]


AUGMENTATIONS: Cases = {
    "Augmentation": _augmented(Augmentation(brightness=0.2, colour_shift=0.3)),
    "Weak": _augmented(Weak()),
    "Strong": _augmented(Strong()),
    "Strong: clips": _augmented(Strong(), (4,)),
    "StrongAlpha": _augmented(StrongAlpha()),
    "StrongBeta": _augmented(StrongBeta()),
    "StrongGamma": _augmented(StrongGamma()),
    "finish_batch": _finished,
    "gaussian_blur": lambda x: gaussian_blur(x.uniform(4, 3, 24, 24), x.uniform(4) + 0.1, 23),
    "luma": lambda x: luma(x.uniform(4, 3, 8, 8)),
    "to_grey": lambda x: to_grey(x.uniform(4, 3, 8, 8)),
    "adjust": lambda x: adjust(x.uniform(4, 3, 8, 8), x.integers(3, 4), x.uniform(4) + 0.5),
    "shift_hue": lambda x: shift_hue(x.uniform(4, 3, 8, 8), x.uniform(4) - 0.5),
    "solarize": lambda x: solarize(x.uniform(4, 3, 8, 8)),
    "shift_colours": lambda x: shift_colours(x.uniform(4, 3, 8, 8), x.normal(4, 4, scale=0.1)),
}
