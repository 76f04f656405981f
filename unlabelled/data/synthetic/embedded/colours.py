"""Colours that change over time, with a constant contrast of object and background."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from unlabelled.data.synthetic.embedded.motion import Drift
from unlabelled.data.synthetic.embedded.notes import FloatArray

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Palette:
    """Colours ``(3,)`` at one time: of the background, the object (``body``) and its details (``ink``)."""

    background: tuple[FloatArray, FloatArray]
    body: FloatArray
    ink: FloatArray


def colour(hue: float, saturation: float, luma: float) -> FloatArray:
    """Return a colour ``(3,)`` of a hue (0 to 1) with a given luma, mixed with white or black."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, 1.0)
    full = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    pure = np.asarray((red, green, blue), dtype=np.float32)
    if luma <= full:
        return pure * np.float32(luma / full)
    return pure + (1 - pure) * np.float32((luma - full) / (1 - full))


class Colours:
    """The palette of a clip as a function of time; hues, saturations and lumas drift."""

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        def drift(low: float, high: float) -> Drift:
            return Drift(rng, seconds, low, high)

        self.hues = drift(0, 1), drift(0, 1)  # background, object
        self.saturations = drift(0.2, 0.9), drift(0.55, 1.0)
        self.lumas = drift(0.1, 0.3), drift(0.72, 0.95)
        self.spread = drift(0.03, 0.08)

    def at(self, time: float, dark: bool) -> Palette:
        """Return the colours at a time in seconds: a light object on a dark background, or the reverse.

        The lumas of object and background differ by at least 0.34.
        """
        behind, ahead = (hue.at(time) for hue in self.hues)
        pale, rich = (saturation.at(time) for saturation in self.saturations)
        far, near = (luma.at(time) for luma in self.lumas)
        spread = self.spread.at(time)
        lumas = (far - spread, far + spread, near, near - 0.55)
        first, second, body, ink = lumas if dark else (1.0 - luma for luma in lumas)
        background = colour(behind, pale, first), colour(behind + 0.15, pale, second)
        return Palette(background, colour(ahead, rich, body), colour(ahead + 0.4, 0.5, ink))
