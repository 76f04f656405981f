"""Garments: photographs of Fashion-MNIST in motion, with notes played on sampled instruments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torchvision.datasets.mnist import read_image_file, read_label_file

from unlabelled.data.real import FASHION_MNIST_CLASSES
from unlabelled.data.synthetic.composed.base import ComposedClass, ComposedSet, FloatArray, Style
from unlabelled.data.synthetic.composed.digits import DigitsSet
from unlabelled.data.synthetic.composed.instruments import Instrument, play_drums, play_notes
from unlabelled.data.synthetic.embedded.colours import colour

# Family, audio and instrument by label. Instruments of one family belong to garments of one kind.
_CLASSES = (
    ("tops", "a nylon-string guitar", Instrument(24, 52, 76, 0.35)),
    ("bottoms", "a trumpet", Instrument(56, 58, 79, 0.6)),
    ("tops", "a violin", Instrument(40, 58, 84, 0.9)),
    ("bottoms", "a French horn", Instrument(60, 45, 67, 0.9)),
    ("tops", "a cello", Instrument(42, 38, 62, 0.9)),
    ("shoes", "a xylophone", Instrument(13, 65, 89, 0.2)),
    ("tops", "a harp", Instrument(46, 48, 84, 0.25)),
    ("shoes", "a marimba", Instrument(12, 48, 72, 0.25)),
    ("bags", "a church organ", Instrument(19, 48, 76, 1.0)),
    ("shoes", "tubular bells", Instrument(14, 60, 77, 0.7)),
)


@dataclass(frozen=True)
class GarmentsSet(ComposedSet):
    """Ten classes of garments and instruments; real photographs, sampled audio.

    Photographs of test clips are those of Fashion-MNIST's test files; both splits share the sound font.

    Args:
        photographs: Folder of Fashion-MNIST's four uncompressed files.
        sound_font: A General MIDI sound font, an ``.sf2`` file.
        checksums: Of both, as :mod:`unlabelled.data.real` reports them.
    """

    photographs: str
    sound_font: str
    checksums: tuple[tuple[str, str], ...] = ()

    name: ClassVar[str] = "garments"
    classes: ClassVar[tuple[ComposedClass, ...]] = tuple(
        ComposedClass(label, family, f"an {label}" if label[0] in "aeiou" else f"a {label}", audio)
        for label, (family, audio, _) in zip(FASHION_MNIST_CLASSES, _CLASSES, strict=True)
    )
    style: ClassVar[Style] = Style(
        sizes=((112, 84), (128, 96), (96, 96), (84, 112)),
        frame_rates=tuple(Fraction(r) for r in ("15", "20", "24000/1001", "25")),
        seconds=(3.0, 5.0),
        sample_rates=(22050, 44100),
        channels=(1, 2),
        scale=(0.65, 0.95),
        tilt=0.35,
        roam=0.8,
        turning_points=(0.8, 1.6),
        luma=(0.1, 0.9),
        contrast=(0.0, 0.5),
        colour=(0.2, 0.8),
        grain=(0.0, 0.03),
        noise=(12.0, 30.0),
        distractor=(0.5, (6.0, 18.0)),
    )

    def image(self, rng: np.random.Generator, label: int, split: str) -> FloatArray:
        """Draw a photograph of a class, in one colour, mirrored at random."""
        from scipy.ndimage import binary_fill_holes, gaussian_filter

        images, rows = _photographs(self.photographs, split)
        grey = images[rng.choice(rows[label])].astype(np.float32) / 255
        grey = grey[:, ::-1] if rng.random() < 0.5 else grey
        opacity = gaussian_filter(binary_fill_holes(grey > 0.04).astype(np.float32), 0.5)
        hue, saturation, luma = rng.random(), rng.uniform(*self.style.colour), rng.uniform(0.5, 0.95)
        shade = colour(float(hue), float(saturation), float(luma))
        light = np.maximum(grey, 0.06 * (opacity > 0.5))[None] * shade[:, None, None]
        return np.concatenate([light, opacity[None]]).astype(np.float32)

    def audio(self, rng: np.random.Generator, label: int, seconds: float, rate: int) -> FloatArray:
        """Play a tune on the instrument of a class."""
        return play_notes(rng, self.sound_font, _CLASSES[label][2], seconds, rate)

    def distractor(self, rng: np.random.Generator, seconds: float, rate: int) -> FloatArray:
        """Play a drum kit."""
        return play_drums(rng, self.sound_font, seconds, rate)

    def arguments(self) -> dict[str, str]:
        """Return the checksums of both sources."""
        return dict(self.checksums)


class SmallGarmentsSet(GarmentsSet):
    """Smaller garments anywhere in the frame, each in front of a handwritten digit without audio."""

    name: ClassVar[str] = "small_garments"
    style: ClassVar[Style] = replace(GarmentsSet.style, scale=(0.4, 0.6), roam=1.0)

    def mute_image(self, rng: np.random.Generator, split: str) -> FloatArray:
        """Draw a handwritten digit in one colour."""
        digits = DigitsSet()
        return digits.image(rng, int(rng.integers(len(digits.classes))), split)


@lru_cache(maxsize=2)
def _photographs(folder: str, split: str) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return the images ``(n, 28, 28)`` uint8 of a split, and the rows of each label."""
    prefix = Path(folder) / ("train" if split == "train" else "t10k")
    images = read_image_file(f"{prefix}-images-idx3-ubyte").numpy()
    labels = read_label_file(f"{prefix}-labels-idx1-ubyte")
    return images, {label: torch.nonzero(labels == label).flatten().numpy() for label in range(10)}
