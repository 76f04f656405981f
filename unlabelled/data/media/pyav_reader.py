"""Decode frames and audio with PyAV: seek to the previous keyframe, decode, choose by timestamp."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from unlabelled.data.media.audio_parts import AudioPart
from unlabelled.data.media.container import open_media
from unlabelled.data.media.pyav_audio import read_mono, read_parts
from unlabelled.data.media.pyav_video import all_frames_of, frames_of_span
from unlabelled.data.media.reader import MediaInfo, frame_times, scaled_size
from unlabelled.data.media.streams import media_info


class PyAVReader:
    """Reads all formats that FFmpeg reads; see :class:`~unlabelled.data.media.reader.Reader`."""

    def info(self, path: str) -> MediaInfo:
        """Return facts about the file, from its header."""
        with open_media(path) as container:
            return media_info(path, container)

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return RGB frames ``(num_frames, height, width, 3)``; see :meth:`Reader.frames`."""
        frame_times(start, duration, num_frames, 0.0)  # check the arguments before the file
        return frames_of_span(path, start, duration, num_frames, _RGBConverter(short_side).convert)

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """Return one channel ``(round(duration * sample_rate),)``; see :meth:`Reader.waveform`.

        Raises:
            ValueError: ``sample_rate`` is below 1.
        """
        if sample_rate < 1:
            raise ValueError(f"sample_rate must be a positive number of Hz, got {sample_rate}")
        return read_mono(path, start, duration, sample_rate)

    def all_frames(
        self, path: str, short_side: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return the times ``(frames,)`` and RGB frames ``(frames, height, width, 3)`` of a whole file."""
        times, images = all_frames_of(path, _RGBConverter(short_side).convert_one)
        return np.array(times), np.stack(images)

    def all_audio(self, path: str, sample_rate: int) -> list[AudioPart]:
        """Return the parts of the audio track between its gaps, all channels mixed to one."""
        return read_parts(path, sample_rate)


class _RGBConverter:
    """Converts decoded frames to RGB ``(height, width, 3)``, all of the size of the first one."""

    def __init__(self, short_side: int | None) -> None:
        self.short_side = short_side
        self.size: tuple[int, int] | None = None
        self.scaler: Any = VideoReformatter()

    def convert(self, frames: list[Any], aspect: float) -> NDArray[np.uint8]:
        images = list[NDArray[np.uint8]]()
        for index, frame in enumerate(frames):  # a frame that occurs several times is converted once
            repeated = index and frame is frames[index - 1]
            images.append(images[-1] if repeated else self.convert_one(frame, aspect))
        return np.stack(images)

    def convert_one(self, frame: Any, aspect: float) -> NDArray[np.uint8]:
        if self.size is None:
            width = max(1, round(frame.width * aspect))
            self.size = scaled_size(width, frame.height, self.short_side)
        image = self.scaler.reformat(frame, *self.size, "rgb24", interpolation="BILINEAR", threads=1)
        pixels: NDArray[np.uint8] = image.to_ndarray()
        turns = round(frame.rotation / 90) % 4  # telephones store upright videos rotated
        return np.rot90(pixels, turns) if turns else pixels
