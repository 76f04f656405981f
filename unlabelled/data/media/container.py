"""Open media files with PyAV, seek in them, and explain why they cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av

from unlabelled.data.media.disk import ffmpeg_name, open_file, state_of
from unlabelled.data.media.reader import DecodeError
from unlabelled.data.media.streams import NOT_MEDIA, UNDECODABLE, origin

MISSING = "no such file"
EMPTY = "file is empty"
TRUNCATED = "truncated"

# Packets that a cut, or a seek, may have divided.
_DIVIDED_PACKETS = 2
_CHUNK_HEADER = 8  # bytes of AVI, between the place of a packet in its index and its data
# Errors that PyAV raises on damaged input; apart from its own, those of numbers out of range and empty lists.
_FAILURES = (av.FFmpegError, OSError, ValueError, EOFError, LookupError, ArithmeticError)


@contextmanager
def open_media(path: str) -> Iterator[Any]:
    """Open a file as ``InputContainer`` in a ``with`` block; its errors are raised as `DecodeError`."""
    _check_file(path)
    try:
        container = av.open(ffmpeg_name(path), metadata_errors="ignore")
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
        size = state_of(path).size
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
        with open_file(path) as file:
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
    size = state_of(path).size
    for stream in container.streams:
        entries = stream.index_entries
        if len(entries) and (last := entries[len(entries) - 1]).pos + last.size > size:
            return True
    return False


def seek(container: Any, stream: Any, second: float) -> bool:
    """Go to the last keyframe before a second of the presentation; return whether the format can.

    After a seek in a program stream, frames have the time stamps of others.
    """
    if is_program_stream(container):
        return False
    try:
        container.seek(int((second + origin(container)) / stream.time_base), stream=stream)
    except (av.FFmpegError, OverflowError):
        return False
    return True


def is_program_stream(container: Any) -> bool:
    """Return whether this is MPEG-PS (MPG, VOB), which has time stamps of some frames only."""
    return bool(container.format.name == "mpeg")


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream from here on.

    Raises:
        DecodeError: A packet of an AVI file is not where its index has that of its time: FFmpeg counts the
            packets that it finds, so that after lost ones the time stamps are those of earlier frames.
    """
    counted = container.format.name == "avi" and stream.type == "video"
    for packet in container.demux(stream):
        if counted and packet.size and not _is_in_place(packet, stream.index_entries):
            raise DecodeError(
                container.name, f"{UNDECODABLE}: frames are missing, or not where its index has them"
            )
        yield packet


def _is_in_place(packet: Any, index: Any) -> bool:
    """Return whether a packet of AVI is where the index has that of its time stamp, if it has one."""
    if packet.dts is None or packet.pos is None:
        return True
    row = index.search_timestamp(packet.dts, any_frame=True)
    if row < 0 or (entry := index[row]).timestamp != packet.dts:
        return True
    return packet.pos - entry.pos in (0, _CHUNK_HEADER)


def decode(container: Any, stream: Any, intact: bool = False) -> Iterator[Any]:
    """Yield the frames of a stream from here on; up to two packets before the first one may be damaged.

    A cut, or a seek, may have divided them. All other damage that the decoder finds is an error, with
    ``intact`` also that which the container's own counters show.
    """
    divided = _DIVIDED_PACKETS
    for packet in packets(container, stream):
        if intact and packet.is_corrupt and divided == 0:
            raise DecodeError(container.name, f"{UNDECODABLE}: packets are missing")
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            if divided == 0:
                raise
            divided -= 1
            continue
        for frame in frames:
            divided = 0
            yield frame
