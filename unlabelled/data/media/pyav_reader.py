"""Decode frames and audio with PyAV: seek to the previous keyframe, decode, choose by timestamp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from unlabelled.data.media.container import (
    TRUNCATED,
    UNDECODABLE,
    frame_rate,
    is_cut_short,
    media_info,
    need_audio,
    need_video,
    open_media,
    origin,
    stream_end,
)
from unlabelled.data.media.pyav_audio import END_SLACK, read_mono
from unlabelled.data.media.reader import DecodeError, MediaInfo, earliest_times, frame_times, scaled_size

# A seek may end after the required frame (open GOPs, poor indices): then seek this many seconds earlier.
_BACK_OFF_SECONDS = (0.0, 1.0, 10.0, float("inf"))


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
        with open_media(path) as container:
            stream = need_video(path, container)
            times = frame_times(start, duration, num_frames, frame_rate(stream))
            return _to_rgb(_frames_at(path, container, stream, times), short_side)

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """Return one channel ``(round(duration * sample_rate),)``; see :meth:`Reader.waveform`.

        Raises:
            ValueError: ``sample_rate`` is below 1.
        """
        if sample_rate < 1:
            raise ValueError(f"sample_rate must be a positive number of Hz, got {sample_rate}")
        with open_media(path) as container:
            stream = need_audio(path, container)
            return read_mono(path, container, stream, start, duration, sample_rate)

    def all_frames(
        self, path: str, short_side: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return the times ``(frames,)`` and RGB frames ``(frames, height, width, 3)`` of a whole file."""
        with open_media(path) as container:
            stream = need_video(path, container)
            times, images, to_rgb = [], [], _RGBConverter(short_side)
            for time, frame in decode_video(container, stream, 0.0):
                times.append(time)
                images.append(to_rgb(frame))
            if not times:
                raise _no_frames(path, container)
            _check_end(path, container, stream, (times[-1], frame), float("inf"))
            return np.array(times), np.stack(images)


def decode_video(container: Any, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
    """Yield seconds and frames, from the last keyframe before second ``start`` to the end of the file."""
    zero, step = origin(container), 1 / frame_rate(stream)
    if start > 0:
        container.seek(int((start + zero) / stream.time_base), stream=stream)
    time = start - step
    for frame in container.decode(stream):
        time = time + step if frame.time is None else frame.time - zero
        yield time, frame


def frame_end(time: float, frame: Any, fps: float) -> float:
    """Return the second at which the display of a frame ends."""
    duration = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
    return time + max(duration, 1 / fps)


def _frames_at(path: str, container: Any, stream: Any, times: NDArray[np.float64]) -> list[Any]:
    for back_off in _BACK_OFF_SECONDS:
        start = max(0.0, float(times[0]) - back_off)
        if back_off and start == 0:
            container.seek(0)
        frames = _frames_onwards(path, container, stream, times, start)
        if frames is not None:
            return frames
    raise _no_frames(path, container)


def _no_frames(path: str, container: Any) -> DecodeError:
    reason = TRUNCATED if is_cut_short(path, container) else UNDECODABLE
    return DecodeError(path, f"{reason}: no frame of it can be decoded")


def _frames_onwards(
    path: str, container: Any, stream: Any, times: NDArray[np.float64], start: float
) -> list[Any] | None:
    """Return the frame displayed at each of ``times``; ``None``: decoding from ``start`` begins too late."""
    frames: list[Any] = []
    last: tuple[float, Any] | None = None
    for time, frame in decode_video(container, stream, start):
        appears = float(earliest_times(np.array(time)))
        if last is None and start > 0 and appears > times[0]:
            return None
        while last is not None and len(frames) < len(times) and times[len(frames)] < appears:
            frames.append(last[1])
        if len(frames) == len(times):
            return frames
        last = (time, frame)
    if last is None:
        return None
    _check_end(path, container, stream, last, float(times[-1]))
    return frames + [last[1]] * (len(times) - len(frames))


def _check_end(path: str, container: Any, stream: Any, last: tuple[float, Any], needed: float) -> None:
    """Raise DecodeError if the video is truncated; the last frame of a complete one is repeated."""
    end, header_end = frame_end(*last, frame_rate(stream)), stream_end(container, stream)
    if end < min(needed, header_end) - END_SLACK:
        raise DecodeError(path, f"{TRUNCATED}: its video stops at {end:.2f} s of {header_end:.2f} s")


class _RGBConverter:
    """Converts decoded frames to RGB ``(height, width, 3)``, all of the size of the first one."""

    def __init__(self, short_side: int | None) -> None:
        self.short_side = short_side
        self.size: tuple[int, int] | None = None
        self.scaler: Any = VideoReformatter()

    def __call__(self, frame: Any) -> NDArray[np.uint8]:
        if self.size is None:
            self.size = scaled_size(frame.width, frame.height, self.short_side)
        image = self.scaler.reformat(frame, *self.size, "rgb24", interpolation="BILINEAR", threads=1)
        pixels: NDArray[np.uint8] = image.to_ndarray()
        turns = round(frame.rotation / 90) % 4  # telephones store upright videos rotated
        return np.rot90(pixels, turns) if turns else pixels


def _to_rgb(frames: list[Any], short_side: int | None) -> NDArray[np.uint8]:
    """Return RGB ``(frames, height, width, 3)``; a frame that occurs several times is converted once."""
    to_rgb, images = _RGBConverter(short_side), list[NDArray[np.uint8]]()
    for index, frame in enumerate(frames):
        images.append(images[-1] if index and frame is frames[index - 1] else to_rgb(frame))
    return np.stack(images)
