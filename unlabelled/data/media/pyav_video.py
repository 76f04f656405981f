"""Decode the frames of a video stream in the order of time, and choose those of given times."""

from __future__ import annotations

import functools
import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

import av
import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.container import (
    TRUNCATED,
    decode,
    is_cut_short,
    is_program_stream,
    open_media,
    packets,
    seek,
)
from unlabelled.data.media.disk import state_of
from unlabelled.data.media.reader import DecodeError, earliest_times, frame_times
from unlabelled.data.media.streams import (
    END_SLACK,
    LATE,
    UNDECODABLE,
    check_overlap,
    find_video,
    frame_rate,
    missing_seconds,
    need_video,
    origin,
    pixel_aspect,
)

T = TypeVar("T")
TimedFrames = Iterator[tuple[float, Any]]

# A seek may end after the required frame (open GOPs, poor indices): then seek this many seconds earlier. The
# last one is the beginning of the file, which is opened again, as some formats cannot seek there.
_BACK_OFF_SECONDS = (0.0, 1.0, 10.0, math.inf)
# In a program stream, time stamps are given to the wrong frames, of which each one follows the one before it
# unless its time stamp differs by more than this; seconds.
_JUMP = 0.5
# Decoders change the order of at most 16 frames, or 32 fields: time stamps in the order of decoding are no
# further apart.
_REORDERED = 32
_HELD_BACK = 16
# In AVI, which has time stamps of decoding only, those that FFmpeg derives are in that order for these.
_STAMPED_IN_ORDER_OF_DECODING = ("h264", "hevc")


class UntimelyError(Exception):
    """The time stamps of the frames that a decoder returns are not ascending."""


def frames_of_span(
    path: str, start: float, duration: float, num_frames: int, use: Callable[[list[Any], float], T]
) -> T:
    """Return what ``use`` makes of the frames at a span's :func:`frame_times` and of the shape of its pixels.

    Raises:
        DecodeError: They cannot be decoded.
    """
    span = start, duration, num_frames
    try:
        with open_media(path) as container:
            stream = need_video(path, container)
            times = frame_times(*span, frame_rate(stream))
            for back_off in _BACK_OFF_SECONDS:
                begin = max(0.0, float(times[0]) - back_off)
                if begin == 0 and back_off:
                    break
                frames = _frames_at(path, container, stream, times, begin, decode_video)
                if frames is not None:
                    return use(frames, pixel_aspect(stream))
        return _from_the_beginning(path, span, decode_video, use)
    except UntimelyError:
        return _from_the_beginning(path, span, decode_and_sort, use)


def _from_the_beginning(
    path: str,
    span: tuple[float, float, int],
    decoder: Callable[..., TimedFrames],
    use: Callable[[list[Any], float], T],
) -> T:
    with open_media(path) as container:
        stream = need_video(path, container)
        times = frame_times(*span, frame_rate(stream))
        frames = _frames_at(path, container, stream, times, 0.0, decoder)
        if frames is None:
            raise no_frames(path, container)
        return use(frames, pixel_aspect(stream))


def _frames_at(
    path: str,
    container: Any,
    stream: Any,
    times: NDArray[np.float64],
    begin: float,
    decoder: Callable[..., TimedFrames],
) -> list[Any] | None:
    """Return the frame displayed at each of ``times``; ``None``: decoding from ``begin`` starts too late."""
    frames: list[Any] = []
    last: tuple[float, Any] | None = None
    for time, frame in decoder(container, stream, begin):
        appears = float(earliest_times(np.array(time)))
        if last is None and appears > times[0]:
            if begin > 0:
                return None
            if time > max(LATE, times[-1]):
                check_overlap(path, container, stream)
        while last is not None and len(frames) < len(times) and times[len(frames)] < appears:
            frames.append(last[1])
        if len(frames) == len(times):
            return frames
        last = (time, frame)
    if last is None:
        return None
    check_end(path, container, stream, last, float(times[-1]))
    return frames + [last[1]] * (len(times) - len(frames))


def all_frames_of(path: str, use: Callable[[Any, float], T]) -> tuple[list[float], list[T]]:
    """Return the times of all frames and what ``use`` makes of each and of the shape of its pixels.

    Raises:
        DecodeError: The file is truncated, or cannot be decoded.
    """
    for decoder in (decode_video, decode_and_sort):
        with open_media(path) as container, suppress(UntimelyError):
            stream = need_video(path, container)
            times, used, aspect = [], [], pixel_aspect(stream)
            for time, frame in decoder(container, stream, 0.0):
                times.append(time)
                used.append(use(frame, aspect))
            if not times:
                raise no_frames(path, container)
            if times[0] > LATE:
                check_overlap(path, container, stream)
            check_end(path, container, stream, (times[-1], frame), math.inf)
            return times, used
    raise AssertionError("frames in the order of time are returned")


def decode_video(container: Any, stream: Any, start: float) -> TimedFrames:
    """Yield seconds and frames, from a keyframe before second ``start`` to the end of the file.

    Nothing is yielded if the format cannot seek there. For ``start=0`` the file must have just been opened.

    Raises:
        UntimelyError: The time stamps of the frames are not ascending.
    """
    if start > 0 and not seek(container, stream, start):
        return
    in_avi = container.format.name == "avi"
    zero = origin(container) + (_delay_in_avi(container) if in_avi else 0.0)
    by_packet = in_avi and stream.codec_context.name in _STAMPED_IN_ORDER_OF_DECODING
    frames = _decode_by_packet if by_packet else _decode_by_frame
    last = -math.inf
    for time, frame in frames(container, stream, start > 0):
        if time < last:
            raise UntimelyError
        last = time
        yield time - zero, frame


def _decode_by_frame(container: Any, stream: Any, sought: bool, intact: bool = False) -> TimedFrames:
    """Yield time stamps and frames, after a seek from the first intact keyframe with a time stamp on."""
    by_duration, step = is_program_stream(container), 1 / frame_rate(stream)
    due: float | None = None
    for frame in decode(container, stream, intact):
        if sought and (frame.time is None or not frame.key_frame or frame.is_corrupt):
            continue
        sought, time = False, frame.time
        if time is None or (by_duration and due is not None and abs(time - due) < _JUMP):
            time = origin(container) if due is None else due
        yield time, frame
        lasts = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else step
        due = time + (lasts if step / 2 < lasts < 4 * step else step)


def _decode_by_packet(container: Any, stream: Any, sought: bool) -> TimedFrames:
    """Yield the time stamps of packets, and frames in their order; after a seek only from a closed GOP on."""
    stamps: deque[int] = deque()
    for packet in packets(container, stream):
        if sought and not _begins_closed_gop(packet):
            return
        sought = False
        if packet.pts is not None:
            stamps.append(packet.pts)
        if len(stamps) > _REORDERED:  # a packet is not a frame, but a field
            raise UntimelyError
        for frame in packet.decode():
            yield float(stamps.popleft() * packet.time_base), frame


def _begins_closed_gop(packet: Any) -> bool:
    """Return whether a packet of H.264 or HEVC has an IDR frame: no later frame is displayed before it."""
    units = [unit[0] for unit in bytes(packet).split(b"\0\0\1")[1:] if unit]
    if packet.stream.codec_context.name == "h264":
        return any(byte & 31 == 5 for byte in units)
    return any(byte >> 1 & 63 in (19, 20) for byte in units)


def _delay_in_avi(container: Any) -> float:
    return _avi_delay(container.name, *state_of(container.name))


@functools.lru_cache(maxsize=4096)
def _avi_delay(path: str, size: int, modified: int) -> float:
    """Return the seconds by which the time stamps of frames are late.

    AVI has time stamps of decoding only. FFmpeg derives the others from them, later by the frames that a
    decoder for B-frames holds back; but the n-th frame of the display belongs to the n-th place of the file.
    """
    with av.open(path, metadata_errors="ignore") as container:
        stream: Any = find_video(container)
        first = list(islice(container.demux(stream), _REORDERED))
        stamps = [(packet.pts, packet.dts) for packet in first if None not in (packet.pts, packet.dts)]
    if len(stamps) < 2:
        return 0.0
    displayed, decoded = (sorted(each) for each in zip(*stamps, strict=True))
    return float((displayed[1] - decoded[1]) * stream.time_base)


def decode_and_sort(container: Any, stream: Any, start: float) -> TimedFrames:
    """Yield seconds and all frames, whose time stamps are in the order of decoding.

    Raises:
        DecodeError: The time stamps of frames that are far apart run backwards, or packets are missing.
    """
    zero, last = origin(container), -math.inf
    frames = _decode_by_frame(container, stream, start > 0, intact=True)
    held_back = _HELD_BACK if stream.codec_context.has_b_frames else 1  # else frames are stored in order
    for time, frame in _sorted_stamps(_near_their_order(frames, container, held_back / frame_rate(stream))):
        if time < last:
            raise _backwards(container, last)
        last = time
        yield time - zero, frame


def _near_their_order(frames: TimedFrames, container: Any, furthest: float) -> TimedFrames:
    """Yield the frames, whose time stamps may run back by ``furthest`` seconds.

    A frame that is further away is in a wrong place of a damaged file.
    """
    latest = -math.inf
    for time, frame in frames:
        if time < latest - furthest:
            raise _backwards(container, latest)
        latest = max(latest, time)
        yield time, frame


def _backwards(container: Any, last: float) -> DecodeError:
    second = last - origin(container)
    return DecodeError(container.name, f"{UNDECODABLE}: its time stamps run backwards at {second:.2f} s")


def _sorted_stamps(frames: Iterable[tuple[float, Any]]) -> TimedFrames:
    stamps: list[float] = []
    waiting: deque[Any] = deque()
    for time, frame in frames:
        heapq.heappush(stamps, time)
        waiting.append(frame)
        if len(waiting) > _REORDERED:
            yield heapq.heappop(stamps), waiting.popleft()
    while waiting:
        yield heapq.heappop(stamps), waiting.popleft()


def frame_end(time: float, frame: Any, fps: float) -> float:
    """Return the second at which the display of a frame ends."""
    duration = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
    return time + max(duration, 1 / fps)


def check_end(path: str, container: Any, stream: Any, last: tuple[float, Any], needed: float) -> None:
    """Raise `DecodeError` if the video is truncated; the last frame of a complete one is repeated."""
    end = frame_end(*last, frame_rate(stream))
    if end < needed - END_SLACK and (missing := missing_seconds(container, stream, end)) > END_SLACK:
        raise DecodeError(path, f"{TRUNCATED}: its video stops at {end:.2f} s of {end + missing:.2f} s")


def no_frames(path: str, container: Any) -> DecodeError:
    """Return the error of a file of which no frame can be decoded."""
    reason = TRUNCATED if is_cut_short(path, container) else UNDECODABLE
    return DecodeError(path, f"{reason}: no frame of it can be decoded")
