"""Digits: small handwritten digits of scikit-learn in motion, with synthetic vowels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.composed.base import ComposedClass, ComposedSet, FloatArray, Style
from unlabelled.data.synthetic.composed.motion import path
from unlabelled.data.synthetic.embedded.colours import colour

# First three formants of a male speaker in Hz (Peterson and Barney 1952, table II); vowels of one
# kind belong to one kind of digit.
_CLASSES = (
    ("zero", "round", "oo as in boot", (300, 870, 2240)),
    ("one", "straight", "ee as in beat", (270, 2290, 3010)),
    ("two", "open", "a as in bat", (660, 1720, 2410)),
    ("four", "straight", "i as in bit", (390, 1990, 2550)),
    ("five", "open", "u as in but", (640, 1190, 2390)),
    ("six", "round", "u as in book", (440, 1020, 2240)),
    ("seven", "straight", "e as in bet", (530, 1840, 2480)),
    ("eight", "round", "er as in bird", (490, 1350, 1690)),
)
_VALUES = (0, 1, 2, 4, 5, 6, 7, 8)
_TEST_SHARE = 3  # each third image is a test image


@dataclass(frozen=True)
class DigitsSet(ComposedSet):
    """Eight classes of digits and vowels: short clips, small objects, one colour per clip, mono."""

    name: ClassVar[str] = "digits"
    classes: ClassVar[tuple[ComposedClass, ...]] = tuple(
        ComposedClass(label, parent, f"a handwritten {label}", audio) for label, parent, audio, _ in _CLASSES
    )
    style: ClassVar[Style] = Style(
        sizes=((64, 64), (80, 60)),
        frame_rates=tuple(Fraction(r) for r in ("12", "25", "30")),
        seconds=(1.2, 2.4),
        sample_rates=(16000, 48000),
        channels=(1,),
        scale=(0.6, 0.8),
        tilt=0.2,
        roam=1.0,
        turning_points=(0.6, 1.2),
        luma=(0.35, 0.6),
        contrast=(0.0, 0.4),
        colour=(0.5, 1.0),
        grain=(0.0, 0.05),
        noise=(8.0, 25.0),
        distractor=(0.3, (8.0, 16.0)),
    )

    def image(self, rng: np.random.Generator, label: int, split: str) -> FloatArray:
        """Draw a handwritten digit in one colour; light or dark."""
        from scipy.ndimage import zoom

        strokes = rng.choice(_handwriting(split)[_VALUES[label]])
        opacity = np.clip(zoom(strokes, 4, order=1) * 1.3, 0, 1)
        hue, saturation = rng.random(), rng.uniform(*self.style.colour)
        luma = rng.uniform(0.0, 0.15) if rng.random() < 0.5 else rng.uniform(0.8, 1.0)
        shade = colour(float(hue), float(saturation), float(luma))
        plain = np.broadcast_to(shade[:, None, None], (3, *opacity.shape))
        return np.concatenate([plain, opacity[None]]).astype(np.float32)

    def audio(self, rng: np.random.Generator, label: int, seconds: float, rate: int) -> FloatArray:
        """Speak a vowel again and again, with a pitch and a length of vocal tract of its own."""
        formants = np.array(_CLASSES[label][3]) * rng.uniform(0.9, 1.2)
        samples = round(seconds * rate)
        times = np.arange(samples) / rate
        pitch = path(rng, times, (90, 220), (0.3, 0.8))
        phase = np.cumsum(pitch) / rate
        pulses = np.diff(np.floor(phase), prepend=0.0) + rng.normal(0, 0.02, samples)
        spoken = _resonate(pulses, formants, rate)
        return (spoken * _syllables(rng, times)).astype(np.float32)

    def distractor(self, rng: np.random.Generator, seconds: float, rate: int) -> FloatArray:
        """Click irregularly."""
        clicks = (rng.random(round(seconds * rate)) < 4 / rate) * rng.normal(0, 1, round(seconds * rate))
        return _resonate(clicks, rng.uniform(500, 5000, 1), rate).astype(np.float32)


def _resonate(
    signal: npt.NDArray[np.float64], frequencies: npt.NDArray[np.float64], rate: int
) -> npt.NDArray[np.float64]:
    """Filter a signal by resonances at some frequencies in Hz, one after the other."""
    from scipy.signal import lfilter

    for number, frequency in enumerate(frequencies):
        radius = np.exp(-np.pi * (60 + 40 * number) / rate)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * frequency / rate), radius**2]
        signal = lfilter([sum(poles)], poles, signal)
    return np.asarray(signal)


def _syllables(rng: np.random.Generator, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a volume ``(samples,)`` that opens and closes one to three times per second."""
    rate, first = rng.uniform(1.2, 3), rng.random()
    return np.asarray(np.clip(1.6 * np.abs(np.sin(np.pi * (rate * times + first))), 0, 1) ** 0.7)


@lru_cache(maxsize=2)
def _handwriting(split: str) -> dict[int, FloatArray]:
    """Return the strokes ``(n, 8, 8)`` in 0 to 1 of each digit of a split."""
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    held_out = np.arange(len(images)) % _TEST_SHARE == 0
    chosen = ~held_out if split == "train" else held_out
    strokes = images.reshape(-1, 8, 8).astype(np.float32) / 16
    return {digit: strokes[chosen & (digits == digit)] for digit in range(10)}
