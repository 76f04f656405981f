"""Read audio files and their image files as videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.images import decode_image, scale_frames
from unlabelled.data.media.reader import MediaInfo, Reader, frame_times, scaled_size

_ROUNDING = 1e-6


class PairedReader:
    """Returns the images of an audio file one after the other; other files are read by the wrapped reader.

    See :class:`~unlabelled.data.media.reader.Reader`.

    Args:
        reader: Reads audio files, and files with video and audio.
        images: Image files by path of the audio file, in the order of time.
        frame_seconds: Seconds for which each image is displayed; the last one until the end.

    Raises:
        ValueError: ``frame_seconds`` is not positive.
    """

    def __init__(
        self, reader: Reader, images: Mapping[str, Sequence[str]], frame_seconds: float = 5.0
    ) -> None:
        if not frame_seconds > 0:
            raise ValueError(f"PairedReader: frame_seconds={frame_seconds} must be above 0")
        self.reader, self.images, self.frame_seconds = reader, images, frame_seconds

    def info(self, path: str) -> MediaInfo:
        """Return facts about the file; for an audio file with images, the size of the first image."""
        facts = self.reader.info(path)
        if path not in self.images:
            return facts
        _, height, width = decode_image(self.images[path][0]).shape
        return MediaInfo(
            duration=facts.audio_duration,
            has_video=True,
            has_audio=facts.has_audio,
            width=width,
            height=height,
            fps=1 / self.frame_seconds,
            audio_duration=facts.audio_duration,
            sample_rate=facts.sample_rate,
            channels=facts.channels,
        )

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """Return one channel ``(round(duration * sample_rate),)``; see :meth:`Reader.waveform`."""
        return self.reader.waveform(path, start, duration, sample_rate)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return RGB frames ``(num_frames, height, width, 3)``, all of the size of the first one.

        Raises:
            DecodeError: An image is damaged.
        """
        if path not in self.images:
            return self.reader.frames(path, start, duration, num_frames, short_side)
        files = self.images[path]
        times = frame_times(start, duration, num_frames, 1 / self.frame_seconds)
        numbers = np.floor(times / self.frame_seconds + _ROUNDING).clip(0, len(files) - 1).astype(int)
        images = {
            number: decode_image(files[number]).permute(1, 2, 0).numpy()[np.newaxis]
            for number in np.unique(numbers).tolist()
        }
        height, width = images[int(numbers[0])].shape[1:3]
        size = scaled_size(width, height, short_side)
        scaled = {number: scale_frames(frames, *size) for number, frames in images.items()}
        return np.concatenate([scaled[number] for number in numbers.tolist()])
