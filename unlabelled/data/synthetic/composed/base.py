"""Sets of clips that are composed of an image in motion, a background and audio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Span = tuple[float, float]  # smallest, largest


@dataclass(frozen=True)
class ComposedClass:
    """A class of a set: its label, the label of its parent, and the words of its captions."""

    label: str
    parent: str
    image: str
    audio: str


@dataclass(frozen=True)
class Style:
    """Properties that vary between and within the clips of a set, independently of the class.

    Args:
        sizes: Widths and heights of the files, in pixels, even numbers.
        frame_rates: Frames per second of the files.
        seconds: Duration.
        sample_rates: Samples per second of the files.
        channels: Numbers of audio channels.
        scale: Side of an image, as a fraction of the short side of the frame; drifts within a clip.
        tilt: Largest rotation to each side, in radians; drifts within a clip.
        roam: Part of the free room in which the image moves, 0 to 1.
        turning_points: Seconds between turning points of all motion.
        luma: Brightness of the background, 0 to 1.
        contrast: Contrast of the background, 0 to 1.
        colour: Saturation of the image's colour, which is constant in a clip.
        grain: Standard deviation of the noise of the frames, 0 to 1.
        noise: Background noise, in dB below the audio.
        distractor: Share of clips with other audio mixed in, and its level in dB below the audio.
    """

    sizes: Sequence[tuple[int, int]]
    frame_rates: Sequence[Fraction]
    seconds: Span
    sample_rates: Sequence[int]
    channels: Sequence[int]
    scale: Span
    tilt: float
    roam: float
    turning_points: Span
    luma: Span
    contrast: Span
    colour: Span
    grain: Span
    noise: Span
    distractor: tuple[float, Span]


class ComposedSet(ABC):
    """Images and audio of the classes of a set, and its style.

    An instance is sent to the processes that write clips, so it holds paths, not data.

    Attributes:
        name: Name of the set, part of the random keys of its clips.
        classes: The classes.
        style: What varies independently of the class.
    """

    name: ClassVar[str]
    classes: ClassVar[tuple[ComposedClass, ...]]
    style: ClassVar[Style]

    @abstractmethod
    def image(self, rng: np.random.Generator, label: int, split: str) -> FloatArray:
        """Draw an image of a class ``(4, height, width)``: red, green, blue, opacity, in 0 to 1."""

    @abstractmethod
    def audio(self, rng: np.random.Generator, label: int, seconds: float, rate: int) -> FloatArray:
        """Play the audio of a class ``(samples,)``, at ``rate`` samples per second."""

    @abstractmethod
    def distractor(self, rng: np.random.Generator, seconds: float, rate: int) -> FloatArray:
        """Play audio that belongs to no class ``(samples,)``."""

    def mute_image(self, rng: np.random.Generator, split: str) -> FloatArray | None:
        """Draw an object without audio, which belongs to no class, as :meth:`image`; None: there is none."""
        return None

    def arguments(self) -> dict[str, str]:
        """Return what determines the files beside seed and counts, such as checksums of the sources."""
        return {}
