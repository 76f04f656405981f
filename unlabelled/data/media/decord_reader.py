"""Decode frames with decord where its results are correct, and everything else with PyAV."""

from __future__ import annotations

import functools
import logging
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.container import frame_rate, need_video, open_media, origin
from unlabelled.data.media.pyav_audio import END_SLACK
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import choose_frames, frame_times, scaled_size

_log = logging.getLogger(__name__)

# Seconds; an earlier first timestamp is that of a cut made without re-encoding.
_LEAD_IN = -1e-3
# Sizes (source width, height, target width, height) at which decord's scaling has failed.
_unscalable: set[tuple[int, int, int, int]] = set()


class DecordReader(PyAVReader):
    """Decodes video with decord 0.6, and audio with PyAV, as decord leaks the memory of each audio track.

    PyAV also decodes the frames if decord is not installed, raises an error or finds too few frames, and for
    files of which decord returns wrong frames without an error: cuts made without re-encoding (with a
    negative first timestamp) and transport streams, whose frames are up to one keyframe interval late, and
    rotated videos, whose frames are distorted. See :class:`~unlabelled.data.media.reader.Reader`.
    """

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return RGB frames ``(num_frames, height, width, 3)``; see :meth:`Reader.frames`."""
        frame_times(start, duration, num_frames, 0.0)  # check the arguments before the file
        decord = import_decord()
        if decord is not None and (header := _read_header(path)) is not None:
            times = frame_times(start, duration, num_frames, header.fps)
            frames = _decord_frames(decord, path, header, times, short_side)
            if frames is not None:
                return frames
        return super().frames(path, start, duration, num_frames, short_side)


class _Header(NamedTuple):
    """Facts that decord does not return: the size before decoding, the frame rate, the start in seconds."""

    width: int
    height: int
    fps: float
    begins: float


def _read_header(path: str) -> _Header | None:
    """Return the header; `None` for files of which decord returns wrong frames."""
    with open_media(path) as container:
        stream = need_video(path, container)
        # decord allocates memory for all frames, and crashes if a damaged header has a huge number
        impossible = stream.frames > os.path.getsize(path)
        if impossible or origin(container) > 0 or not _first_frame_is_plain(container, stream):
            return None
        begins = float((stream.start_time or 0) * stream.time_base)
        size = stream.codec_context.width, stream.codec_context.height
        return _Header(*size, frame_rate(stream), begins)


def _first_frame_is_plain(container: Any, stream: Any) -> bool:
    """Return whether the first frame is presented (not the lead-in of a cut) and not rotated."""
    for packet in container.demux(stream):
        if packet.pts is None or packet.pts * stream.time_base < _LEAD_IN:
            return False
        if frames := packet.decode():
            return frames[0].rotation == 0  # type: ignore[no-any-return]
    return False


@functools.cache
def import_decord() -> Any | None:
    """Return the decord module without log output; ``None``, logged once, if it cannot be imported."""
    try:
        import decord
    except (ImportError, OSError, RuntimeError) as error:
        _log.info("decord cannot be imported (%s): PyAV decodes the videos instead", error)
        return None
    decord.logging.set_level(decord.logging.QUIET)
    return decord


def _decord_frames(
    decord: Any, path: str, header: _Header, times: NDArray[np.float64], short_side: int | None
) -> NDArray[np.uint8] | None:
    """Return the frames at ``times``; ``None``: PyAV must decode them."""
    width, height = scaled_size(header.width, header.height, short_side)
    sizes = (header.width, header.height, width, height)
    scaled = (width, height) != (header.width, header.height)
    if scaled and sizes in _unscalable:
        return None
    try:
        frames = _read(decord, path, (width, height) if scaled else (-1, -1), header.begins, times)
    except _errors(decord) as error:
        _log.debug("decord failed on %s: %s", path, error)
        if scaled and "size must exactly match" in str(error):
            _unscalable.add(sizes)
        return None
    good = frames is not None and frames.shape[1:] == (height, width, 3)
    return frames if good else None


def _errors(decord: Any) -> tuple[type[Exception], ...]:
    return (decord.DECORDError, RuntimeError, IndexError, AssertionError, ValueError)


def _read(
    decord: Any, path: str, size: tuple[int, int], begins: float, times: NDArray[np.float64]
) -> NDArray[np.uint8] | None:
    reader = decord.VideoReader(path, decord.cpu(0), width=size[0], height=size[1], num_threads=1)
    timestamps = reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64)
    if timestamps[0] < _LEAD_IN:
        return None
    timestamps += begins
    if times[-1] > timestamps[-1] + END_SLACK:  # PyAV checks whether the video ends there or is truncated
        return None
    chosen = choose_frames(timestamps, times)
    unique, positions = np.unique(chosen, return_inverse=True)
    frames: NDArray[np.uint8] = reader.get_batch(unique).asnumpy()[positions]
    return frames
