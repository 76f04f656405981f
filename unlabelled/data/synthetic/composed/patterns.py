"""Patterns: textures that fill the frame, with noises of machines, animals and weather."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.composed.base import ComposedClass, ComposedSet, FloatArray, Style
from unlabelled.data.synthetic.composed.motion import path
from unlabelled.data.synthetic.embedded.colours import colour

_SIDE = 160  # pixels of an image
_Array = npt.NDArray[np.float64]
_Texture = Callable[[_Array, _Array], _Array]
_Noise = Callable[[np.random.Generator, _Array, int], _Array]


def _fold(x: _Array) -> _Array:
    """Return the distance to the nearest whole number, 0 to 0.5."""
    return np.asarray(np.abs(x - np.round(x)))


# Functions of points in periods, positive in the first colour and negative in the second one.
_TEXTURES: dict[str, _Texture] = {
    "stripes": lambda u, v: _fold(u) - 0.25,
    "waves": lambda u, v: _fold(u + 0.35 * np.sin(2 * np.pi * 0.5 * v)) - 0.25,
    "checks": lambda u, v: np.sin(2 * np.pi * 0.5 * u) * np.sin(2 * np.pi * 0.5 * v),
    "dots": lambda u, v: 0.3 - np.hypot(_fold(u), _fold(v)),
    "crosses": lambda u, v: np.minimum(
        0.12 - np.minimum(_fold(u), _fold(v)), 0.38 - np.maximum(_fold(u), _fold(v))
    ),
    "rings": lambda u, v: _fold(np.hypot(u, v)) - 0.25,
    "bricks": lambda u, v: np.minimum(
        _fold(v) - 0.08, _fold(0.5 * u + 0.25 * (np.round(v - 0.5) % 2)) - 0.04
    ),
    "spokes": lambda u, v: np.sin(8 * np.arctan2(v, u)),
}


def _band(rng: np.random.Generator, times: _Array, rate: int, low: float, high: float) -> _Array:
    """Return noise between two frequencies in Hz."""
    from scipy.signal import butter, sosfilt

    filters = butter(2, [low, min(high, 0.45 * rate)], "band", fs=rate, output="sos")
    return np.asarray(sosfilt(filters, rng.standard_normal(len(times))))


def _events(rng: np.random.Generator, times: _Array, tempo: tuple[float, float]) -> _Array:
    """Return the seconds ``(samples,)`` since the latest of some events, at a tempo of its own."""
    rate = rng.uniform(*tempo)
    phase = rate * times + 0.15 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * times) + rng.random()
    return np.asarray((phase % 1.0) / rate)


def _rain(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    drops = rng.random(len(times)) < rng.uniform(20, 60) / rate
    kernel = np.exp(-np.arange(int(0.03 * rate)) / (0.006 * rate))
    envelope = np.convolve(drops * rng.uniform(0.3, 1, len(times)), kernel)[: len(times)]
    return np.asarray(_band(rng, times, rate, 2500, 8000) * envelope)


def _engine(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    phase = np.cumsum(path(rng, times, (25, 60), (1.0, 2.0))) / rate
    return np.asarray((2 * (phase % 1) - 1) ** 3 + 0.3 * np.sin(2 * np.pi * 2 * phase))


def _chirps(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    since = _events(rng, times, (1.5, 4))
    low = rng.uniform(1200, 2600)
    return np.asarray(
        np.sin(2 * np.pi * low * (since + 2.5 * since**2)) * np.exp(-((since - 0.08) ** 2) / 0.003)
    )


def _ticks(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    return _band(rng, times, rate, 1000, 4000) * np.exp(-_events(rng, times, (2, 6)) / 0.004)


def _bell(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    since, base = _events(rng, times, (0.7, 1.6)), rng.uniform(250, 700)
    partials = [(1.0, 1.0, 0.9), (2.76, 0.7, 0.5), (5.4, 0.5, 0.25)]
    parts = [a * np.sin(2 * np.pi * base * r * times) * np.exp(-since / d) for r, a, d in partials]
    return np.asarray(np.sum(parts, 0))


def _wind(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    return _band(rng, times, rate, 150, rng.uniform(500, 900)) * path(rng, times, (0.1, 1.0), (0.5, 1.2))


def _horn(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    base, on = rng.uniform(300, 600), _events(rng, times, (0.8, 1.5)) < 0.5
    return np.asarray(np.sign(np.sin(2 * np.pi * base * times)) * np.where(on, 1.0, 0.0))


def _warble(rng: np.random.Generator, times: _Array, rate: int) -> _Array:
    swing = np.sin(2 * np.pi * rng.uniform(5, 9) * times)
    return np.asarray(np.sin(2 * np.pi * np.cumsum(rng.uniform(700, 1400) * (1 + 0.25 * swing)) / rate))


# Noises of one kind belong to textures of one kind.
_CLASSES: tuple[tuple[str, str, str, _Noise], ...] = (
    ("stripes", "lines", "a chirping bird", _chirps),
    ("waves", "lines", "a warbling whistle", _warble),
    ("checks", "grids", "a running engine", _engine),
    ("dots", "grids", "a ticking clock", _ticks),
    ("crosses", "grids", "a honking horn", _horn),
    ("rings", "centred", "a bell", _bell),
    ("bricks", "lines", "falling rain", _rain),
    ("spokes", "centred", "blowing wind", _wind),
)


@dataclass(frozen=True)
class PatternsSet(ComposedSet):
    """Eight classes of textures and noises: long clips, no object, no background, two colours per clip."""

    name: ClassVar[str] = "patterns"
    classes: ClassVar[tuple[ComposedClass, ...]] = tuple(
        ComposedClass(label, parent, f"a surface of {label}", audio) for label, parent, audio, _ in _CLASSES
    )
    style: ClassVar[Style] = Style(
        sizes=((160, 120), (144, 144)),
        frame_rates=tuple(Fraction(r) for r in ("10", "12.5", "30000/2002")),
        seconds=(4.0, 7.0),
        sample_rates=(22050, 32000),
        channels=(2,),
        scale=(2.2, 3.0),
        tilt=0.6,
        roam=0.25,
        turning_points=(1.0, 2.5),
        luma=(0.0, 1.0),
        contrast=(0.0, 0.0),
        colour=(0.3, 1.0),
        grain=(0.0, 0.08),
        noise=(6.0, 25.0),
        distractor=(0.4, (6.0, 15.0)),
    )

    def image(self, rng: np.random.Generator, label: int, split: str) -> FloatArray:
        """Draw a texture with a period and two colours of its own."""
        axis = np.linspace(-1, 1, _SIDE)
        periods, angle = rng.uniform(3.5, 6.5), rng.uniform(-0.2, 0.2)
        u = periods * (np.cos(angle) * axis[None, :] + np.sin(angle) * axis[:, None])
        v = periods * (np.cos(angle) * axis[:, None] - np.sin(angle) * axis[None, :])
        edge = _TEXTURES[_CLASSES[label][0]](u, v)
        mix = 0.5 + 0.5 * np.tanh(12 * edge)
        low, high = rng.uniform(0.05, 0.4), rng.uniform(0.55, 0.95)
        hues, saturation = rng.random(2), rng.uniform(*self.style.colour)
        first, second = (
            colour(float(h), float(saturation), float(luma))
            for h, luma in zip(hues, rng.permutation([low, high]), strict=True)
        )
        pixels = first[:, None, None] + (second - first)[:, None, None] * mix
        return np.concatenate([pixels, np.ones((1, _SIDE, _SIDE))]).astype(np.float32)

    def audio(self, rng: np.random.Generator, label: int, seconds: float, rate: int) -> FloatArray:
        """Make the noise of a class."""
        times = np.arange(round(seconds * rate)) / rate
        return np.asarray(_CLASSES[label][3](rng, times, rate), dtype=np.float32)

    def distractor(self, rng: np.random.Generator, seconds: float, rate: int) -> FloatArray:
        """Hum at a frequency of the mains."""
        times = np.arange(round(seconds * rate)) / rate
        base = float(rng.choice([50, 60]))
        hum = np.sum([np.sin(2 * np.pi * base * n * times) / n for n in range(1, 6)], 0)
        return np.asarray(hum, dtype=np.float32)
