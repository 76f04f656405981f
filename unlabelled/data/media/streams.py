"""Streams of an open media file: which of them are read, what they cover, and what their header promises."""

from __future__ import annotations

import ctypes
import functools
import operator
import re
from typing import Any, NamedTuple

import av

from unlabelled.data.media.disk import open_file, state_of
from unlabelled.data.media.reader import NO_AUDIO, DecodeError, MediaInfo

NO_VIDEO = "no video stream"
NOT_MEDIA = "not a media file"
UNDECODABLE = "undecodable"
NO_OVERLAP = "video and audio of different times"

END_SLACK = 0.5
"""A stream that ends earlier than its header states by more seconds than this is truncated."""
LATE = 1.0
"""A stream that begins later than this second may be stamped by another clock than the other one."""

_Flag = av.stream.Disposition
_STILL = _Flag.attached_pic | _Flag.timed_thumbnails | _Flag.still_image
_COMMENTARY = functools.reduce(
    operator.or_,
    (_Flag[name] for name in ("comment", "visual_impaired", "hearing_impaired", "karaoke", "descriptions")),
)
# Formats whose header states durations; those of others are estimates from the bitrate or the last packets.
_STATED = {"mov", "matroska", "avi", "asf", "flv", "wav", "flac", "aiff", "au", "caf", "w64"}
# Sample aspect ratios outside of this factor are damage: they would make images of any size.
_MAX_ASPECT = 8
# Layouts in an order of their own, such as "8 channels (FL+FR+FC+LFE+SL+SR+BL+BR)".
_OWN_ORDER = re.compile(r"\d+ channels \(|ambisonic")


class Extent(NamedTuple):
    """Begin and end of the packets of a stream on the file's clock, in seconds, and their number."""

    begin: float
    end: float
    packets: int


def find_video(container: Any) -> Any | None:
    """Return the default video stream, else the longest one; thumbnails and cover art do not count."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _STILL]
    if len(streams) < 2:
        return next(iter(streams), None)
    extents = packet_extents(container)
    moving = [stream for stream in streams if extents[stream.index].packets > 1] or streams
    flagged = [stream for stream in moving if stream.disposition & _Flag.default] or moving
    return max(flagged, key=lambda stream: extents[stream.index].end - extents[stream.index].begin)


def find_audio(container: Any) -> Any | None:
    """Return the default audio stream, else the first one; commentary only if there is nothing else."""
    streams = list(container.streams.audio)
    decodable = [stream for stream in streams if stream.codec_context is not None] or streams
    flagged = [stream for stream in decodable if stream.disposition & _Flag.default]
    main = [stream for stream in decodable if not stream.disposition & _COMMENTARY]
    return next(iter(flagged or main or decodable), None)


def need_video(path: str, container: Any) -> Any:
    """Return the video stream, ready to decode.

    Raises:
        DecodeError: There is none, or no decoder for it.
    """
    return _decodable(path, find_video(container), NO_VIDEO)


def need_audio(path: str, container: Any) -> Any:
    """Return the audio stream, ready to decode.

    Raises:
        DecodeError: There is none, or no decoder for it, or its channels are in an order of their own.
    """
    stream = _decodable(path, find_audio(container), NO_AUDIO)
    _, layout = _channels(stream)
    if _OWN_ORDER.match(layout):
        raise DecodeError(path, f"{UNDECODABLE}: the order of its audio channels is not supported: {layout}")
    return stream


def _decodable(path: str, stream: Any | None, absent: str) -> Any:
    if stream is None:
        raise DecodeError(path, absent)
    if stream.codec_context is None:
        raise DecodeError(path, f"{UNDECODABLE}: no decoder for its {stream.type} stream")
    stream.codec_context.thread_count = 1  # a DataLoader has a process per core
    return stream


def _channels(stream: Any) -> tuple[int, str]:
    """Return the number of channels and the name of their layout.

    PyAV 18 frees a layout in an order of its own twice, which aborts the process: such a layout is kept
    alive, and no frame of the stream may be decoded, since every frame has such a layout.
    """
    layout = stream.codec_context.layout
    name = layout.name
    if _OWN_ORDER.match(name):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout.nb_channels, name


def origin(container: Any) -> float:
    """Return the timestamp at which the presentation begins, in seconds of the file's clock.

    The clock of a transport stream may start at any value. Frames with negative timestamps are not presented:
    those before a cut, and the priming samples of an audio coder.
    """
    return float(max(0.0, (container.start_time or 0) / av.time_base))


def frame_rate(stream: Any) -> float:
    """Return the average number of frames per second; 30 if the file does not contain it."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or 30)


def pixel_aspect(stream: Any) -> float:
    """Return the width of a pixel over its height; 1 if the file does not contain it, or an absurd one."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT else 1.0


def stream_end(container: Any, stream: Any) -> float:
    """Return the end of a stream according to its header, in seconds of the presentation."""
    zero = origin(container)
    if (end := _own_end(stream)) is not None:
        return end - zero
    if container.duration is not None:
        return float(container.duration / av.time_base)
    return float(packet_extents(container)[stream.index].end) - zero


def _own_end(stream: Any) -> float | None:
    if stream.duration is not None:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    try:  # Matroska's tag, a text such as 00:00:02.064000000
        (text, *_) = (text for key, text in stream.metadata.items() if key.startswith("DURATION"))
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def missing_seconds(container: Any, stream: Any, end: float) -> float:
    """Return by how many seconds a stream that ends at ``end`` falls short of what the header states.

    It is 0 if the header does not state the duration of the stream: a transport stream, an MP3 file without a
    Xing header. A duration that is stated of the file as a whole is that of its longest stream.
    """
    if not _states_durations(container):
        return 0.0
    stated = stream_end(container, stream)
    if stated <= end or _own_end(stream) is not None:
        return max(0.0, stated - end)
    return max(0.0, stated - (max(extent.end for extent in packet_extents(container)) - origin(container)))


def _states_durations(container: Any) -> bool:
    name = container.format.name.split(",")[0]
    if name != "mp3":
        return name in _STATED
    with open_file(container.name) as file:
        file.seek(_id3_length(file.read(10)))
        head = file.read(4096)
    return any(tag in head for tag in (b"Xing", b"Info", b"VBRI"))


def _id3_length(head: bytes) -> int:
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    return 10 + sum((byte & 127) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def packet_extents(container: Any) -> tuple[Extent, ...]:
    """Return what each stream covers, by its packets, which are not decoded; once per file and process."""
    return _packet_extents(container.name, *state_of(container.name))


@functools.lru_cache(maxsize=4096)
def _packet_extents(path: str, size: int, modified: int) -> tuple[Extent, ...]:
    with av.open(path, metadata_errors="ignore") as container:
        extents = [Extent(float("inf"), 0.0, 0) for _ in container.streams]
        for packet in container.demux():
            time = packet.pts if packet.pts is not None else packet.dts
            if time is None or packet.stream_index >= len(extents):
                continue
            begin, end, packets = extents[packet.stream_index]
            time, lasts = float(time * packet.time_base), float((packet.duration or 0) * packet.time_base)
            extents[packet.stream_index] = Extent(min(begin, time), max(end, time + lasts), packets + 1)
    return tuple(extent if extent.packets else Extent(0.0, 0.0, 0) for extent in extents)


def check_overlap(path: str, container: Any, stream: Any) -> None:
    """Raise `DecodeError` if a stream begins after the video or audio that belongs to it has ended.

    Some recorders stamp one of them by the time of day and the other one from zero: which of their seconds
    belong together is unknown.
    """
    other = find_audio(container) if stream.type == "video" else find_video(container)
    if other is None:
        return
    own, others = (packet_extents(container)[each.index] for each in (stream, other))
    if others.packets and own.begin > others.end:
        raise DecodeError(
            path,
            f"{NO_OVERLAP}: its {stream.type} begins at {own.begin:.2f} s, its {other.type} ends at "
            f"{others.end:.2f} s",
        )


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
        channels=0 if audio is None else _channels(audio)[0],
    )
