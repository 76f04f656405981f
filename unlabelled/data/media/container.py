"""Opening media files with PyAV: streams, where time begins, how long things last, plain errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av

from unlabelled.data.media.reader import DecodeError, MediaInfo

MISSING = "no such file"
EMPTY = "file is empty"
NOT_MEDIA = "not a media file"
NO_VIDEO = "no video stream"
NO_AUDIO = "no audio stream"
TRUNCATED = "truncated"
UNDECODABLE = "undecodable"

# What PyAV raises on damaged input, apart from its own errors: numbers out of range, lists that are empty.
_FAILURES = (av.FFmpegError, OSError, ValueError, EOFError, LookupError, ArithmeticError)


@contextmanager
def open_media(path: str) -> Iterator[Any]:
    """The file's ``InputContainer``; whatever goes wrong in the block leaves it as a `DecodeError`."""
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
    if head[4:8] == b"ftyp":  # an MP4 begins well but its index, often at the end, is not there
        return f"{TRUNCATED}: the file ends before its index"
    return NOT_MEDIA


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def is_cut_short(path: str, container: Any) -> bool:
    """Whether the index of an MP4 or QuickTime file names bytes beyond the end of the file."""
    if "mp4" not in container.format.name:
        return False
    size = os.path.getsize(path)
    for stream in container.streams:
        entries = stream.index_entries
        if len(entries) and (last := entries[len(entries) - 1]).pos + last.size > size:
            return True
    return False


def find_video(container: Any) -> Any | None:
    """The first video stream that is not cover art."""
    pictures = av.stream.Disposition.attached_pic
    return next((s for s in container.streams.video if not s.disposition & pictures), None)


def find_audio(container: Any) -> Any | None:
    """The first audio stream."""
    return next(iter(container.streams.audio), None)


def need_video(path: str, container: Any) -> Any:
    """The video stream, ready to decode."""
    return _decodable(path, find_video(container), NO_VIDEO)


def need_audio(path: str, container: Any) -> Any:
    """The audio stream, ready to decode."""
    return _decodable(path, find_audio(container), NO_AUDIO)


def _decodable(path: str, stream: Any | None, none_there: str) -> Any:
    if stream is None:
        raise DecodeError(path, none_there)
    if stream.codec_context is None:
        raise DecodeError(path, f"{UNDECODABLE}: no decoder for its {stream.type}")
    stream.codec_context.thread_count = 1  # a DataLoader has a process for every core already
    return stream


def origin(container: Any) -> float:
    """Second of the file's own clock at which the presentation begins.

    Transport streams start their clock anywhere. Negative stamps are lead-in that is not presented:
    the frames before a cut, the priming samples of an audio coder.
    """
    return float(max(0.0, (container.start_time or 0) / av.time_base))


def frame_rate(stream: Any) -> float:
    """Average frames a second; 30 where the file does not tell."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 30)


def stream_end(container: Any, stream: Any) -> float:
    """Second of the presentation at which the stream claims to end."""
    zero = origin(container)
    if stream.duration is not None:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base) - zero
    if (tag := _matroska_end(stream)) is not None:
        return tag - zero
    if container.duration is not None:
        return float(container.duration / av.time_base)
    return _scanned_end(container, stream) - zero


def _matroska_end(stream: Any) -> float | None:
    """Matroska keeps a stream's end as text such as ``00:00:02.064000000``."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (KeyError, ValueError):
        return None


def _scanned_end(container: Any, stream: Any) -> float:
    """Live recordings store no duration at all: read through the packets, without decoding."""
    end = 0.0
    for packet in container.demux(stream):
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    container.seek(0)
    return end


def media_info(path: str, container: Any) -> MediaInfo:
    """`MediaInfo` from the header of an open container."""
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
