"""Decode the audio track of a file as one channel at any sample rate, positioned by its timestamps."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, overload

import av
import numpy as np

from unlabelled.data.media.audio_parts import AudioPart, Samples, check_gap, copy_block
from unlabelled.data.media.container import TRUNCATED, decode, open_media, seek
from unlabelled.data.media.reader import DecodeError
from unlabelled.data.media.streams import END_SLACK, LATE, check_overlap, missing_seconds, need_audio, origin

# Containers round timestamps by up to a millisecond. Only a larger jump is a gap in the track.
_GAP_SECONDS = 0.02


def read_mono(path: str, start: float, duration: float, sample_rate: int) -> Samples:
    """Return samples ``(round(duration * sample_rate),)`` from ``start``; zeros where the track has none.

    Raises:
        DecodeError: The track ends within the span, and earlier than its header states; or it begins after
            the end of the video; or the span is in a long gap.
    """
    with open_media(path) as container:
        stream = need_audio(path, container)
        target = start - _lead_in(stream)
        if target <= 0:
            return _read_span(path, container, stream, start, duration, sample_rate)
        if seek(container, stream, target):
            samples = _read_span(path, container, stream, start, duration, sample_rate, sought=True)
            if samples is not None:
                return samples
    with open_media(path) as container:  # it has no index, or a poor one: all of it is decoded
        return _read_span(path, container, need_audio(path, container), start, duration, sample_rate)


def read_parts(path: str, sample_rate: int) -> list[AudioPart]:
    """Return the parts of the whole track between its gaps.

    Raises:
        DecodeError: The track ends earlier than its header states, or begins after the end of the video.
    """
    parts: list[tuple[int, list[Samples]]] = []
    with open_media(path) as container:
        stream, cursor = need_audio(path, container), None
        for begin, block in _positioned(container, stream, 0.0, sample_rate):
            if begin != cursor:
                parts.append((begin, []))
            parts[-1][1].append(block)
            cursor = begin + len(block)
        if parts and parts[0][0] > LATE * sample_rate:
            check_overlap(path, container, stream)
        _check_end(path, container, stream, (cursor or 0) / sample_rate)
    return [AudioPart(begin, np.concatenate(blocks)) for begin, blocks in parts]


def _lead_in(stream: Any) -> float:
    """Return how many seconds early decoding begins: MP3 and AAC need two or three packets, Opus 80 ms."""
    return float(
        0.1 + 4 * (stream.codec_context.frame_size or 1024) / (stream.codec_context.sample_rate or 48000)
    )


@overload
def _read_span(
    path: str, container: Any, stream: Any, start: float, duration: float, sample_rate: int
) -> Samples: ...


@overload
def _read_span(
    path: str, container: Any, stream: Any, start: float, duration: float, sample_rate: int, sought: bool
) -> Samples | None: ...


def _read_span(
    path: str,
    container: Any,
    stream: Any,
    start: float,
    duration: float,
    sample_rate: int,
    sought: bool = False,
) -> Samples | None:
    """Return the samples of a span; ``None``: decoding after a seek begins too late."""
    out, empty, end = np.zeros(round(duration * sample_rate), np.float32), True, None
    for begin, block in _positioned(container, stream, start, sample_rate, sought):
        if sought and end is None and begin > 0:
            return None
        if empty and begin >= len(out):
            if begin > LATE * sample_rate:
                check_overlap(path, container, stream)
            check_gap(path, start + duration, start + begin / sample_rate)
        empty = not copy_block(out, block, begin) and empty
        end = begin + len(block)
        if end >= len(out):
            return out
    if sought and end is None:
        return None
    if (last := start + (end or 0) / sample_rate) < start + duration - END_SLACK:
        _check_end(path, container, stream, last)
    return out


def _check_end(path: str, container: Any, stream: Any, end: float) -> None:
    if (missing := missing_seconds(container, stream, end)) > END_SLACK:
        raise DecodeError(
            path, f"{TRUNCATED}: its audio stops at {max(end, 0.0):.2f} s of {end + missing:.2f} s"
        )


def _positioned(
    container: Any, stream: Any, start: float, sample_rate: int, sought: bool = False
) -> Iterator[tuple[int, Samples]]:
    """Yield blocks of samples, each with its position in a span that begins at second ``start``.

    Nothing is yielded after a seek in a track without timestamps.
    """
    zero, cursor = origin(container), None
    for time, block in _resampled(container, stream, sample_rate):
        begin = cursor if time is None else round((time - zero - start) * sample_rate)
        if begin is None:  # a track without any timestamps
            if sought:
                return
            begin = round(-start * sample_rate)
        if cursor is not None and abs(begin - cursor) < _GAP_SECONDS * sample_rate:
            begin = cursor
        yield begin, block
        cursor = begin + len(block)


def _resampled(container: Any, stream: Any, sample_rate: int) -> Iterator[tuple[float | None, Samples]]:
    """Yield blocks of samples, each with the second of its first sample."""
    graph: Any = None
    current: tuple[object, ...] = ()
    for frame in decode(container, stream):
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != current:  # the format may change, for example where two files were joined
            yield from _drain(graph)
            graph, current = _mono_graph(*shape, frame.time_base, sample_rate), shape
        graph.push(frame)
        yield from _pull(graph)
    yield from _drain(graph)


def _drain(graph: Any) -> Iterator[tuple[float | None, Samples]]:
    if graph is not None:
        graph.push(None)
        yield from _pull(graph)


def _pull(graph: Any) -> Iterator[tuple[float | None, Samples]]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame.time, frame.to_ndarray()[0]


def _mono_graph(sample_format: str, layout: str, rate: int, time_base: Fraction, sample_rate: int) -> Any:
    """Return a filter graph like ``ffmpeg -ac 1 -ar sample_rate``: the weights of the channels sum to one.

    PyAV's AudioResampler has a sum of 1.41 for stereo: the same recording is louder in stereo than in mono.
    """
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format=sample_format, layout=layout, time_base=time_base)
    options = f"{sample_rate}:rematrix_maxval=1.0:out_sample_fmt=fltp:out_chlayout=mono"
    resample, sink = graph.add("aresample", options), graph.add("abuffersink")
    source.link_to(resample)
    resample.link_to(sink)
    graph.configure()
    return graph
