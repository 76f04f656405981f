"""Open media files with PyAV: streams, time origin, durations, error messages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av

from unlabelled.data.media.reader import NO_AUDIO, DecodeError, MediaInfo

MISSING = "no such file"
EMPTY = "file is empty"
NOT_MEDIA = "not a media file"
NO_VIDEO = "no video stream"
TRUNCATED = "truncated"
UNDECODABLE = "undecodable"

# Errors that PyAV raises on damaged input; apart from its own, those of numbers out of range and empty lists.
_FAILURES = (av.FFmpegError, OSError, ValueError, EOFError, LookupError, ArithmeticError)


@contextmanager
def open_media(path: str) -> Iterator[Any]:
    """Open a file as ``InputContainer`` in a ``with`` block; its errors are raised as `DecodeError`."""
    _check_file(path)
    try:
        container = av.open(path, metadata_errors="ignore")
    except _FAILURES as error:
        raise DecodeError(path, _why_not_opened(path, error)) from error
    with container:
        try:
            yield container
        except _FAILURES as error:
            reason = TRUNCATED if is_cut_short(path, container) else UNDECODABLE
            raise DecodeError(path, f"{reason}: {_plain(error)}") from error


def _check_file(path: str) -> None:
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DecodeError(path, MISSING) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise DecodeError(path, f"{UNDECODABLE}: {_plain(error)}") from error
    if os.path.isdir(path):
        raise DecodeError(path, f"{NOT_MEDIA}: it is a folder")
    if size == 0:
        raise DecodeError(path, EMPTY)


def _why_not_opened(path: str, error: Exception) -> str:
    if isinstance(error, av.error.PermissionError):
        return f"{UNDECODABLE}: no permission to read it"
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError as unreadable:
        return f"{UNDECODABLE}: {_plain(unreadable)}"
    if head[4:8] == b"ftyp":  # the beginning of an MP4, whose index is often at the end
        return f"{TRUNCATED}: the file ends before its index"
    return NOT_MEDIA


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def is_cut_short(path: str, container: Any) -> bool:
    """Return whether the index of an MP4 or QuickTime file refers to bytes beyond the end of the file."""
    if "mp4" not in container.format.name:
        return False
    size = os.path.getsize(path)
    for stream in container.streams:
        entries = stream.index_entries
        if len(entries) and (last := entries[len(entries) - 1]).pos + last.size > size:
            return True
    return False


def find_video(container: Any) -> Any | None:
    """Return the first video stream that is not cover art."""
    cover = av.stream.Disposition.attached_pic
    return next((s for s in container.streams.video if not s.disposition & cover), None)


def find_audio(container: Any) -> Any | None:
    """Return the first audio stream."""
    return next(iter(container.streams.audio), None)


def need_video(path: str, container: Any) -> Any:
    """Return the video stream, ready to decode.

    Raises:
        DecodeError: There is none, or no decoder for it.
    """
    return _decodable(path, find_video(container), NO_VIDEO)


def need_audio(path: str, container: Any) -> Any:
    """Return the audio stream, ready to decode.

    Raises:
        DecodeError: There is none, or no decoder for it.
    """
    return _decodable(path, find_audio(container), NO_AUDIO)


def _decodable(path: str, stream: Any | None, absent: str) -> Any:
    if stream is None:
        raise DecodeError(path, absent)
    if stream.codec_context is None:
        raise DecodeError(path, f"{UNDECODABLE}: no decoder for its {stream.type} stream")
    stream.codec_context.thread_count = 1  # a DataLoader has a process per core
    return stream


def origin(container: Any) -> float:
    """Return the timestamp at which the presentation begins, in seconds of the file's clock.

    The clock of a transport stream may start at any value. Frames with negative timestamps are not presented:
    those before a cut, and the priming samples of an audio coder.
    """
    return float(max(0.0, (container.start_time or 0) / av.time_base))


def frame_rate(stream: Any) -> float:
    """Return the average number of frames per second; 30 if the file does not contain it."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 30)


def stream_end(container: Any, stream: Any) -> float:
    """Return the end of a stream according to its header, in seconds of the presentation."""
    zero = origin(container)
    if stream.duration is not None:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base) - zero
    if (tag := _matroska_end(stream)) is not None:
        return tag - zero
    if container.duration is not None:
        return float(container.duration / av.time_base)
    return _scanned_end(container, stream) - zero


def _matroska_end(stream: Any) -> float | None:
    """Return the end in Matroska's tag, a text such as ``00:00:02.064000000``; None if there is none."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        return None


def _scanned_end(container: Any, stream: Any) -> float:
    """Return the end of the last packet, without decoding; live recordings store no duration."""
    end = 0.0
    for packet in container.demux(stream):
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    container.seek(0)
    return end


def media_info(path: str, container: Any) -> MediaInfo:
    """Return the `MediaInfo` of an open container, from its header.

    Raises:
        DecodeError: There is neither a video nor an audio stream, or no decoder for one of them.
    """
    video, audio = find_video(container), find_audio(container)
    if video is None and audio is None:
        raise DecodeError(path, f"{NOT_MEDIA}: neither video nor audio in it")
    for stream in (video, audio):
        if stream is not None:
            _decodable(path, stream, NOT_MEDIA)
    ends = [max(0.0, stream_end(container, stream)) for stream in (video, audio) if stream is not None]
    return MediaInfo(
        duration=min(ends),
        has_video=video is not None,
        has_audio=audio is not None,
        width=0 if video is None else video.codec_context.width,
        height=0 if video is None else video.codec_context.height,
        fps=0.0 if video is None else frame_rate(video),
        audio_duration=0.0 if audio is None else ends[-1],
        sample_rate=0 if audio is None else audio.codec_context.sample_rate,
        channels=0 if audio is None else audio.codec_context.channels,
    )
