"""Decode a span of an audio track as one channel at any sample rate, positioned by its timestamps."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.container import TRUNCATED, origin, stream_end
from unlabelled.data.media.reader import DecodeError

Samples = NDArray[np.float32]

# Containers round timestamps by up to a millisecond. Only a larger jump is a gap in the track.
_GAP_SECONDS = 0.02
# A track that ends earlier than its header states by more than this is truncated; seconds.
END_SLACK = 0.5


def read_mono(
    path: str, container: Any, stream: Any, start: float, duration: float, sample_rate: int
) -> Samples:
    """Return samples ``(round(duration * sample_rate),)`` from ``start``; zeros where the track has none.

    Raises:
        DecodeError: The track ends within the span, and earlier than its header states.
    """
    out = np.zeros(round(duration * sample_rate), np.float32)
    _seek_early(container, stream, start)
    zero, cursor, end = origin(container), None, 0.0
    for time, block in _resampled(container, stream, sample_rate):
        begin = cursor if time is None else round((time - zero - start) * sample_rate)
        if begin is None:  # a track without any timestamps
            begin = 0
        if cursor is not None and abs(begin - cursor) < _GAP_SECONDS * sample_rate:
            begin = cursor
        _copy_block(out, block, begin)
        cursor = begin + len(block)
        end = start + cursor / sample_rate
        if cursor >= len(out):
            return out
    if end < min(start + duration, stream_end(container, stream)) - END_SLACK:
        header_end = stream_end(container, stream)
        raise DecodeError(
            path, f"{TRUNCATED}: its audio stops at {max(end, 0.0):.2f} s of {header_end:.2f} s"
        )
    return out


def _seek_early(container: Any, stream: Any, start: float) -> None:
    """Seek before ``start``: decoders need some packets first, MP3 and AAC two or three, Opus 80 ms."""
    packet = (stream.codec_context.frame_size or 1024) / (stream.codec_context.sample_rate or 48000)
    target = start - 0.1 - 4 * packet
    if target > 0:
        container.seek(int((target + origin(container)) / stream.time_base), stream=stream)


def _copy_block(out: Samples, block: Samples, begin: int) -> None:
    first, last = max(begin, 0), min(begin + len(block), len(out))
    if first < last:
        out[first:last] = block[first - begin : last - begin]


def _resampled(container: Any, stream: Any, sample_rate: int) -> Iterator[tuple[float | None, Samples]]:
    """Yield blocks of samples, each with the second of its first sample."""
    graph: Any = None
    current: tuple[object, ...] = ()
    for frame in container.decode(stream):
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
