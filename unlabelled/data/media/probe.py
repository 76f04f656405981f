"""Check whether a media file is usable, by decoding the beginning and the end of its streams."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from unlabelled.data.media import container as media
from unlabelled.data.media.container import decode, is_cut_short, open_media, seek
from unlabelled.data.media.pyav_video import UntimelyError, decode_and_sort, decode_video
from unlabelled.data.media.reader import NO_AUDIO, DecodeError
from unlabelled.data.media.streams import (
    END_SLACK,
    LATE,
    NO_OVERLAP,
    NO_VIDEO,
    NOT_MEDIA,
    UNDECODABLE,
    check_overlap,
    find_audio,
    find_video,
    frame_rate,
    media_info,
    missing_seconds,
    need_audio,
    need_video,
    origin,
    stream_end,
)

MISSING = "missing"
EMPTY_FILE = "empty file"
TRUNCATED = media.TRUNCATED
TOO_SHORT = "too short"

REASONS = (
    MISSING, EMPTY_FILE, NOT_MEDIA, NO_VIDEO, NO_AUDIO, NO_OVERLAP, TRUNCATED, TOO_SHORT, UNDECODABLE,
)  # fmt: skip

# A cut to 3 s may last 2.98 s, since streams end with whole frames; the readers pad the rest.
DURATION_SLACK = 0.05
# Containers and coders shift the beginning of a stream by some frames; only more than this is a late start.
_START_SLACK = 0.1
# The end is looked for this many seconds before the one that the header states or that FFmpeg estimates.
_BACK_OFF_SECONDS = (END_SLACK, 2.0, 10.0, math.inf)

_REASONS_OF_READERS = {media.MISSING: MISSING, media.EMPTY: EMPTY_FILE}


class Probe(NamedTuple):
    """The verdict on a file.

    Attributes:
        duration: Seconds covered by all required streams.
        reason: Why the file is unusable, one of :data:`REASONS`; ``None``: usable.
        start: Second at which all required streams have begun; 0 unless one is late.
        detail: The reason in full; of a usable file, by how much its header errs about its end.
        backend: Why PyAV reads its frames in place of another decoder; empty: the other one proved right.
    """

    duration: float
    reason: str | None
    start: float = 0.0
    detail: str = ""
    backend: str = ""


def probe(path: str, needs_video: bool, needs_audio: bool, min_duration: float) -> Probe:
    """Decode the beginning and the end of each required stream; no error is raised for a bad file.

    Damage in the middle of a file is not detected; it raises a `DecodeError` when that part is read.

    Args:
        path: The file.
        needs_video: Whether it must have a video stream.
        needs_audio: Whether it must have an audio stream.
        min_duration: Smallest duration in seconds, with a tolerance of 0.05 s.
    """
    try:
        start, end, detail = _covered(path, needs_video, needs_audio)
    except DecodeError as error:
        plain, _, detail = error.reason.partition(": ")
        plain = _REASONS_OF_READERS.get(plain, plain)
        return Probe(0.0, plain if plain in REASONS else UNDECODABLE, detail=detail)
    duration = round(max(0.0, end - start), 6)
    reason = TOO_SHORT if duration < min_duration - DURATION_SLACK else None
    return Probe(duration, reason, round(start, 6), detail)


def _covered(path: str, needs_video: bool, needs_audio: bool) -> tuple[float, float, str]:
    """Return the seconds at which all required streams have begun and the first one ends, and remarks."""
    needs = [need for need, needed in ((need_video, needs_video), (need_audio, needs_audio)) if needed]
    with open_media(path) as container:
        if find_video(container) is None and find_audio(container) is None:
            raise DecodeError(path, NOT_MEDIA)
        for need in needs:
            need(path, container)
        if is_cut_short(path, container):
            raise DecodeError(path, TRUNCATED)
        if not needs:
            return 0.0, media_info(path, container).duration, ""
    spans = [_measure(path, need) for need in needs]
    start = max(begin for begin, _, _ in spans)
    remarks = ", ".join(remark for *_, remark in spans if remark)
    return start if start > _START_SLACK else 0.0, min(end for _, end, _ in spans), remarks


def _measure(path: str, need: Any) -> tuple[float, float, str]:
    """Return the seconds at which a stream begins and ends, and a remark if its header errs about its end."""
    with open_media(path) as container:
        stream = need(path, container)
        header_end, step = stream_end(container, stream), _frame_seconds(stream)
        first = next(_spans(container, stream, step, 0.0), None)
        if first is None:
            raise DecodeError(path, UNDECODABLE)
        if first[0] > LATE:
            check_overlap(path, container, stream)
        begin = max(0.0, first[0])
        last = _last_end(path, need, step, header_end)
        if last is None:
            raise DecodeError(path, UNDECODABLE)
        if (missing := missing_seconds(container, stream, last)) > END_SLACK:
            stop = f"its {stream.type} stops at {last:.2f} s of {last + missing:.2f} s"
            raise DecodeError(path, f"{TRUNCATED}: {stop}")
        remark = f"its {stream.type} ends at {last:.2f} s, its header states {header_end:.2f} s"
    if abs(last - header_end) > END_SLACK:
        return begin, last, remark
    return begin, max(last, header_end) if last > header_end - 2 * step else last, ""


def _last_end(path: str, need: Any, step: float, header_end: float) -> float | None:
    """Return the end of the last frame; ``None``: none can be decoded."""
    for back_off in _BACK_OFF_SECONDS:
        with open_media(path) as container:
            stream = need(path, container)
            start = max(0.0, header_end - back_off)
            ends = [end for _, end in _spans(container, stream, step, start)]
        if ends or start == 0:
            return max(ends, default=None)
    return None


def _frame_seconds(stream: Any) -> float:
    if stream.type == "video":
        return 1 / frame_rate(stream)
    return float((stream.codec_context.frame_size or 1024) / (stream.codec_context.sample_rate or 48000))


def _spans(container: Any, stream: Any, step: float, start: float) -> Iterator[tuple[float, float]]:
    """Yield the begin and the end of each frame from second ``start`` on, in seconds of the presentation."""
    frames = _decode_audio if stream.type == "audio" else decode_video
    try:
        for time, frame in frames(container, stream, start):
            yield time, time + max(float((frame.duration or 0) * (frame.time_base or 0)), step)
    except UntimelyError:  # the decoder goes on from there
        for time, _ in decode_and_sort(container, stream, start):
            yield time, time + step


def _decode_audio(container: Any, stream: Any, start: float) -> Iterator[tuple[float, Any]]:
    if start > 0 and not seek(container, stream, start):
        return
    zero, end = origin(container), 0.0
    for frame in decode(container, stream):
        if frame.time is None and start > 0:
            return
        time = end if frame.time is None else frame.time - zero
        end = time + (frame.samples / frame.sample_rate if frame.sample_rate else 0.0)
        yield time, frame
