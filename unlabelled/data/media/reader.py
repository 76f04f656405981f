"""The interface of media readers: times, choice of frames, sizes and errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from unlabelled.data.media.audio_parts import AudioPart

NO_AUDIO = "no audio stream"

# Timestamps have rounding errors: of single precision, or of a clock of 90 kHz. The tolerance must be
# below half of the difference between a frame at 29.97 and at 30 frames per second, 34 us.
_ROUNDING = 1e-5
# Matroska and WebM store whole milliseconds: the frame at 66.67 ms has the timestamp 67 ms.
_MILLISECOND_ROUNDING = 5.01e-4


class DecodeError(RuntimeError):
    """A file, or the requested part of it, cannot be decoded.

    Args:
        path: The file.
        reason: For example ``no audio stream``.
    """

    def __init__(self, path: str, reason: str | None = None) -> None:
        super().__init__(path, reason)
        # DataLoader creates a worker's exception again from one string, the whole message.
        self.path, self.reason = (path, reason) if reason is not None else ("", path)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


@dataclass(frozen=True)
class MediaInfo:
    """Facts from the header of a file; times in seconds from the beginning of the presentation.

    Attributes:
        duration: Seconds covered by all of its streams.
        has_video: Whether there is a video stream (cover art does not count).
        has_audio: Whether there is an audio stream.
        width: Width of the stored frames in pixels, before any rotation; 0 without video.
        height: Height of the stored frames in pixels; 0 without video.
        fps: Average frames per second; 0 without video.
        audio_duration: Seconds until the audio ends; 0 without audio.
        sample_rate: Sample rate in Hz; 0 without audio.
        channels: Number of audio channels; 0 without audio.
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
    """Reads parts of media files; it keeps no file open, so it may be pickled, forked and shared.

    All times are seconds since the beginning of the presentation, the same for video and audio.
    All methods raise :class:`DecodeError` if the requested part cannot be decoded.
    """

    def info(self, path: str) -> MediaInfo:
        """Return facts about the file, from its header."""
        ...

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return the RGB frames ``(num_frames, height, width, 3)`` at :func:`frame_times`.

        They are scaled, up or down, to a short side of ``short_side`` pixels; None: not scaled. The last
        frame is repeated if the video ends before the clip.
        """
        ...

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """Return all channels mixed to one ``(round(duration * sample_rate),)``, zeros without audio."""
        ...


class WholeFileReader(Reader, Protocol):
    """A reader that can also decode all frames and all audio of a file at once."""

    def all_frames(
        self, path: str, short_side: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return the times ``(frames,)`` and RGB frames ``(frames, height, width, 3)`` of a whole file."""
        ...

    def all_audio(self, path: str, sample_rate: int) -> list[AudioPart]:
        """Return the parts of the audio track between its gaps, all channels mixed to one."""
        ...


def frame_times(start: float, duration: float, num_frames: int, fps: float) -> NDArray[np.float64]:
    """Return the times ``(num_frames,)`` of a clip's frames, evenly spread over its source frames.

    At a constant frame rate these are the frames ``floor(linspace(0, duration * fps - 1, num_frames))`` after
    the first, as in SeLaVi: 30 frames of a second with 25 source frames contain five of them twice.

    Args:
        start: Start of the clip in seconds.
        duration: Duration of the clip in seconds.
        num_frames: Number of frames.
        fps: Average frames per second of the source.

    Raises:
        ValueError: ``num_frames`` is below 1, ``duration`` is not positive or ``start`` not finite.

    Example:
        >>> frame_times(start=1.0, duration=1.0, num_frames=4, fps=25.0).round(2).tolist()
        [1.0, 1.32, 1.64, 1.96]
    """
    if num_frames < 1 or not duration > 0 or not np.isfinite(start + duration):
        raise ValueError(
            f"a clip requires num_frames >= 1 and a positive, finite duration, "
            f"got num_frames={num_frames}, start={start}, duration={duration}"
        )
    span = max(0.0, duration - 1 / fps) if fps > 0 else duration
    return start + np.linspace(0.0, span, num_frames)


def earliest_times(timestamps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the earliest times that are equal to ``timestamps`` within the rounding of files."""
    milliseconds = timestamps * 1000
    whole = np.abs(milliseconds - np.round(milliseconds)) < 1e-3
    return timestamps - np.where(whole, _MILLISECOND_ROUNDING, _ROUNDING)


def choose_frames(timestamps: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index of the frame displayed at each of ``times``: the last one that has appeared.

    ``timestamps (frames,)`` are ascending. For times before the first frame, the first one is returned.

    Example:
        >>> choose_frames(np.array([0.0, 0.5, 1.0]), np.array([-0.1, 0.49, 0.5, 7.0])).tolist()
        [0, 0, 1, 2]
    """
    indices = np.searchsorted(earliest_times(timestamps), times, side="right") - 1
    return np.clip(indices, 0, len(timestamps) - 1).astype(np.int64)


def scaled_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Return width and height after scaling the short side to ``short_side``; the other one is rounded down.

    Raises:
        ValueError: ``short_side`` is below 1.

    Example:
        >>> scaled_size(1920, 1080, 128)
        (227, 128)
    """
    if short_side is None:
        return width, height
    if short_side < 1:
        raise ValueError(f"short_side must be at least 1 pixel, got {short_side}")
    if width <= height:
        return short_side, max(short_side, height * short_side // width)
    return max(short_side, width * short_side // height), short_side
