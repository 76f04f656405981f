"""What every reader of media files agrees on: seconds, the choice of frames, sizes and errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# Timestamps carry rounding errors: of single precision, or of a clock of 90 kHz. Half a frame of the
# difference between 29.97 and 30 frames a second is the least that must stay visible (34 us).
_ROUNDING = 1e-5
# Matroska and WebM count whole milliseconds, so the frame due at 66.67 ms is stamped 67 ms.
_MILLISECOND_ROUNDING = 5.01e-4


class DecodeError(RuntimeError):
    """A file, or the part of it that was asked for, cannot be decoded.

    Args:
        path: The file.
        reason: In plain words, such as ``no audio stream``.
    """

    def __init__(self, path: str, reason: str | None = None) -> None:
        super().__init__(path, reason)
        # DataLoader rebuilds a worker's exception from one string, which then is the whole message.
        self.path, self.reason = (path, reason) if reason is not None else ("", path)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


@dataclass(frozen=True)
class MediaInfo:
    """What a file says about itself; durations in seconds from the beginning of the presentation.

    Attributes:
        duration: Seconds that every stream present covers.
        has_video: Whether there is a video stream (cover art does not count).
        has_audio: Whether there is an audio stream.
        width: Of the stored picture, in pixels, before any rotation; 0 without video.
        height: Likewise.
        fps: Average frames a second; 0 without video.
        audio_duration: Seconds until the audio ends; 0 without audio.
        sample_rate: In Hz; 0 without audio.
        channels: Of the audio; 0 without audio.
    """

    duration: float
    has_video: bool
    has_audio: bool
    width: int = 0
    height: int = 0
    fps: float = 0.0
    audio_duration: float = 0.0
    sample_rate: int = 0
    channels: int = 0


class Reader(Protocol):
    """Reads parts of media files. Holds nothing open, so it may be pickled, forked and shared.

    All times are seconds since the beginning of the presentation, the same for picture and sound.
    Every method raises :class:`DecodeError` when the file cannot give what was asked for.
    """

    def info(self, path: str) -> MediaInfo:
        """Facts about the file, from its header."""
        ...

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """RGB frames ``(num_frames, height, width, 3)`` shown at :func:`frame_times`.

        ``short_side`` scales them, up or down, so that the short side has that many pixels.
        Where the video is over before the clip, its last frame repeats.
        """
        ...

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """All channels mixed to one: ``(round(duration * sample_rate),)``, zeros where there is no sound."""
        ...


class WholeFileReader(Reader, Protocol):
    """A reader that can also decode every frame of a file at once."""

    def all_frames(
        self, path: str, short_side: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Seconds at which each frame appears ``(frames,)`` and the frames ``(frames, height, width, 3)``."""
        ...


def frame_times(start: float, duration: float, num_frames: int, fps: float) -> NDArray[np.float64]:
    """Times ``(num_frames,)`` of a clip's frames, evenly spread from its first source frame to its last.

    In a steady video these are the frames ``floor(linspace(0, duration * fps - 1, num_frames))`` after
    the first, as SeLaVi samples them: 25 frames a second give 30 with five of them twice.

    Args:
        start: Second at which the clip begins.
        duration: Seconds the clip lasts.
        num_frames: Frames wanted.
        fps: Average frames a second of the source.

    Raises:
        ValueError: ``num_frames`` is below 1, ``duration`` is not positive or ``start`` not finite.
    """
    if num_frames < 1 or not duration > 0 or not np.isfinite(start + duration):
        raise ValueError(
            f"a clip needs num_frames >= 1 and a positive, finite number of seconds, "
            f"got num_frames={num_frames}, start={start}, duration={duration}"
        )
    span = max(0.0, duration - 1 / fps) if fps > 0 else duration
    return start + np.linspace(0.0, span, num_frames)


def shown_from(timestamps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The earliest times that count as those ``timestamps``, allowing for how files round them."""
    milliseconds = timestamps * 1000
    whole = np.abs(milliseconds - np.round(milliseconds)) < 1e-3
    return timestamps - np.where(whole, _MILLISECOND_ROUNDING, _ROUNDING)


def choose_frames(timestamps: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index of the frame on screen at each of ``times``: the last one that has appeared by then.

    ``timestamps (frames,)`` ascend. Before the first frame the first one counts.
    """
    indices = np.searchsorted(shown_from(timestamps), times, side="right") - 1
    return np.clip(indices, 0, len(timestamps) - 1).astype(np.int64)


def scaled_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height after scaling the short side to ``short_side``, the other one rounded down."""
    if short_side is None:
        return width, height
    if short_side < 1:
        raise ValueError(f"short_side must be at least 1 pixel, got {short_side}")
    if width <= height:
        return short_side, max(short_side, height * short_side // width)
    return max(short_side, width * short_side // height), short_side
