"""Check whether a media file is complete and usable, by decoding its beginning and its end."""

from __future__ import annotations

from typing import Any, NamedTuple

from unlabelled.data.media import container as media
from unlabelled.data.media.container import find_audio, find_video, need_audio, need_video, open_media
from unlabelled.data.media.pyav_audio import END_SLACK
from unlabelled.data.media.reader import NO_AUDIO, DecodeError

MISSING = "missing"
EMPTY_FILE = "empty file"
NOT_MEDIA = media.NOT_MEDIA
NO_VIDEO = media.NO_VIDEO
TRUNCATED = media.TRUNCATED
TOO_SHORT = "too short"
UNDECODABLE = media.UNDECODABLE

REASONS = (MISSING, EMPTY_FILE, NOT_MEDIA, NO_VIDEO, NO_AUDIO, TRUNCATED, TOO_SHORT, UNDECODABLE)

# A cut to 3 s may last 2.98 s, since streams end with whole frames; the readers pad the rest.
DURATION_SLACK = 0.05

_REASONS_OF_READERS = {media.MISSING: MISSING, media.EMPTY: EMPTY_FILE}


class Probe(NamedTuple):
    """Seconds covered by all required streams, and the reason why a file is unusable (`None`: usable)."""

    duration: float
    reason: str | None


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
        duration = _whole_duration(path, needs_video, needs_audio)
    except DecodeError as error:
        return Probe(0.0, _reason(error))
    duration = round(duration, 6)
    if duration < min_duration - DURATION_SLACK:
        return Probe(duration, TOO_SHORT)
    return Probe(duration, None)


def _reason(error: DecodeError) -> str:
    plain = error.reason.split(":")[0]
    reason = _REASONS_OF_READERS.get(plain, plain)
    return reason if reason in REASONS else UNDECODABLE


def _whole_duration(path: str, needs_video: bool, needs_audio: bool) -> float:
    with open_media(path) as container:
        if find_video(container) is None and find_audio(container) is None:
            raise DecodeError(path, NOT_MEDIA)
        streams = [need_video(path, container)] if needs_video else []
        streams += [need_audio(path, container)] if needs_audio else []
        if media.is_cut_short(path, container):
            raise DecodeError(path, TRUNCATED)
        ends = [_checked_end(path, container, stream) for stream in streams]
        if not ends:
            return media.media_info(path, container).duration
        return min(ends)


def _checked_end(path: str, container: Any, stream: Any) -> float:
    """Return the second at which the stream ends; its first and its last frames are decoded."""
    header_end, step = media.stream_end(container, stream), _frame_seconds(stream)
    first = _last_end(container, stream, step, 0.0, first_only=True)
    if first is None:
        raise DecodeError(path, UNDECODABLE)
    last = _last_end(container, stream, step, max(0.0, header_end - END_SLACK))
    if last is None or last < header_end - END_SLACK:
        raise DecodeError(path, TRUNCATED)
    return max(last, header_end) if last > header_end - 2 * step else last


def _frame_seconds(stream: Any) -> float:
    if stream.type == "video":
        return 1 / media.frame_rate(stream)
    return float((stream.codec_context.frame_size or 1024) / (stream.codec_context.sample_rate or 48000))


def _last_end(
    container: Any, stream: Any, step: float, start: float, first_only: bool = False
) -> float | None:
    """Return the end of the last (or first) frame from second ``start`` on; `None`: none can be decoded."""
    zero = media.origin(container)
    container.seek(int((start + zero) / stream.time_base), stream=stream)
    end: float | None = None
    for frame in container.decode(stream):
        time = frame.time - zero if frame.time is not None else (0.0 if end is None else end)
        lasts = float((frame.duration or 0) * (frame.time_base or 0))
        end = max(end or 0.0, time + max(lasts, step))
        if first_only:
            break
    return end
