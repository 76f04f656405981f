"""Sounds and the pictures that belong to them, in files of their own, read as if they were films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from unlabelled.data.media.images import decode_image
from unlabelled.data.media.reader import MediaInfo, Reader, frame_times, scaled_size

_ROUNDING = 1e-6


class PairedReader:
    """Shows a sound's pictures one after the other; reads all other files with the reader that it wraps.

    See :class:`~unlabelled.data.media.reader.Reader`.

    Args:
        reader: Reads the sounds, and files that have pictures and sound.
        pictures: Image files by path of the sound, in the order of time.
        frame_seconds: For so long each picture is shown, the last one until the end.

    Raises:
        ValueError: ``frame_seconds`` is not positive.
    """

    def __init__(
        self, reader: Reader, pictures: Mapping[str, Sequence[str]], frame_seconds: float = 5.0
    ) -> None:
        if not frame_seconds > 0:
            raise ValueError(f"PairedReader: frame_seconds={frame_seconds} must be above 0")
        self.reader, self.pictures, self.frame_seconds = reader, pictures, frame_seconds

    def info(self, path: str) -> MediaInfo:
        """Facts about the file; of a sound with pictures, the size of the first picture."""
        facts = self.reader.info(path)
        if path not in self.pictures:
            return facts
        _, height, width = decode_image(self.pictures[path][0]).shape
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
        """One channel ``(round(duration * sample_rate),)``; see :meth:`Reader.waveform`."""
        return self.reader.waveform(path, start, duration, sample_rate)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """RGB frames ``(num_frames, height, width, 3)``, all of the size that the first one gets.

        Raises:
            DecodeError: A picture is damaged.
        """
        if path not in self.pictures:
            return self.reader.frames(path, start, duration, num_frames, short_side)
        files = self.pictures[path]
        times = frame_times(start, duration, num_frames, 1 / self.frame_seconds)
        numbers = np.floor(times / self.frame_seconds + _ROUNDING).clip(0, len(files) - 1).astype(int)
        shown = {number: _pixels(files[number]) for number in np.unique(numbers).tolist()}
        height, width = shown[int(numbers[0])].shape[:2]
        size = scaled_size(width, height, short_side)
        scaled = {number: _scaled(pixels, *size) for number, pixels in shown.items()}
        return np.stack([scaled[number] for number in numbers.tolist()])


def _pixels(file: str) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = decode_image(file).permute(1, 2, 0).numpy()
    return pixels


def _scaled(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    picture = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).unsqueeze(0)
    resized = interpolate(picture, (height, width), mode="bilinear", antialias=True)[0]
    return resized.permute(1, 2, 0).contiguous().numpy()
