"""Decoders other than PyAV, which read frames of files on which they have proved right."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.container import open_media
from unlabelled.data.media.disk import is_packed
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import choose_frames, frame_times, scaled_size
from unlabelled.data.media.storage import short_hash
from unlabelled.data.media.streams import END_SLACK, frame_rate, need_video, origin

BACKENDS = ("decord", "torchcodec")

_log = logging.getLogger(__name__)

# Random spans of a file whose frames are compared, keyframes across which they are, and frames of a span.
_SEEKS, _KEYFRAMES, _FRAMES = 5, 8, 6
# Mean difference of two decoders' conversions of the same frame to RGB, in grey levels.
_TOLERANCE = 2.0
# The time and the line of source code at the beginning of decord's messages.
_PLACE = re.compile(r"^\[[\d:]+\] \S+: ")
# Sizes (source width, height, target width, height) at which decord's scaling has failed.
_unscalable: set[tuple[int, int, int, int]] = set()


class BackendError(Exception):
    """A backend cannot return the frames of a span."""


class _Header(NamedTuple):
    """Facts that backends do not return: size, frame rate, begin of the video and of the presentation."""

    width: int
    height: int
    fps: float
    begins: float
    zero: float


def backend_frames(
    name: str, path: str, start: float, duration: float, num_frames: int, short_side: int | None
) -> NDArray[np.uint8]:
    """Return the frames of a span that a backend decodes; see :meth:`Reader.frames`.

    Raises:
        BackendError: It is not installed, or cannot return them.
        DecodeError: The file cannot be opened.
    """
    if (module := import_backend(name)) is None:
        raise BackendError(f"{name} is not installed")
    header = _read_header(path)
    times = frame_times(start, duration, num_frames, header.fps)
    size = scaled_size(header.width, header.height, short_side)
    read = _with_decord if name == "decord" else _with_torchcodec
    try:
        frames = read(module, path, header, times, size)
    except BackendError:
        raise
    except Exception as error:  # their bindings raise errors of all types
        message = _PLACE.sub("", " ".join(str(error).split()))[:100]
        raise BackendError(message or type(error).__name__) from error
    if frames.shape != (num_frames, size[1], size[0], 3):
        raise BackendError(f"frames of shape {frames.shape}")
    return frames


def prove(name: str, path: str, duration: float) -> str:
    """Compare frames with those of PyAV; return why a backend is not to be used for a file, or nothing.

    Frames of random spans are compared, and of spans across keyframes, where backends return others without
    an error: with B-frames of MPEG-1, MPEG-2 and MPEG-4, open GOPs, WMV and cuts.
    """
    pyav = PyAVReader()
    for start, length in _spans(path, duration):
        try:
            found = backend_frames(name, path, start, length, _FRAMES, None)
        except BackendError as error:
            return str(error)
        expected = pyav.frames(path, start, length, _FRAMES)
        if found.shape != expected.shape:
            return "frames of another shape"
        if np.abs(found.astype(np.int16) - expected).mean((1, 2, 3)).max() > _TOLERANCE:
            return "other frames"
    return ""


def _spans(path: str, duration: float) -> list[tuple[float, float]]:
    """Return start and length of the spans to compare, drawn for the name of the file."""
    rng = np.random.default_rng(int(short_hash(os.path.basename(path)), 16))
    with open_media(path) as container:
        stream = need_video(path, container)
        zero, fps = origin(container), frame_rate(stream)
        packets = (packet for packet in container.demux(stream) if packet.is_keyframe)
        keys = [float(packet.pts * packet.time_base) - zero for packet in packets if packet.pts is not None]
    length = min(1.0, max(duration, 1 / fps))
    spans = [
        (start, length) for start in (0.0, *rng.uniform(0, max(0.0, duration - length), _SEEKS).tolist())
    ]
    for key in rng.permutation(keys[1:])[:_KEYFRAMES].tolist():
        spans.append((max(0.0, key - 2.5 / fps), _FRAMES / fps))
        spans.append((max(0.0, key - length / 2), length))
    return spans


@functools.cache
def import_backend(name: str) -> Any | None:
    """Return the module of a backend, without its log output; ``None``, logged once, if there is none."""
    try:
        module = importlib.import_module({"torchcodec": "torchcodec.decoders"}.get(name, name))
    except (ImportError, OSError, RuntimeError) as error:
        _log.info("%s cannot be imported (%s): PyAV decodes the videos instead", name, error)
        return None
    if name == "decord":
        module.logging.set_level(module.logging.QUIET)
    return module


def _read_header(path: str) -> _Header:
    with open_media(path) as container:
        stream = need_video(path, container)
        # decord allocates memory for all frames, and crashes if a damaged header has a huge number
        if is_packed(path):
            raise BackendError("in a shard")
        if stream.frames > os.path.getsize(path):
            raise BackendError("more frames than bytes")
        begins = float((stream.start_time or 0) * stream.time_base)
        size = stream.codec_context.width, stream.codec_context.height
        return _Header(*size, frame_rate(stream), begins, origin(container))


def _with_decord(
    decord: Any, path: str, header: _Header, times: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    stored = header.width, header.height
    if size != stored and (*stored, *size) in _unscalable:
        raise BackendError("cannot scale to this size")
    wanted = size if size != stored else (-1, -1)
    try:
        reader = decord.VideoReader(path, decord.cpu(0), width=wanted[0], height=wanted[1], num_threads=1)
        timestamps = reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64)
        timestamps += header.begins - header.zero
        if times[-1] > timestamps[-1] + END_SLACK:  # PyAV checks whether the video is truncated there
            raise BackendError("the span is beyond the last frame")
        unique, positions = np.unique(choose_frames(timestamps, times), return_inverse=True)
        frames: NDArray[np.uint8] = reader.get_batch(unique).asnumpy()[positions]
    except decord.DECORDError as error:
        if size != stored and "size must exactly match" in str(error):
            _unscalable.add((*stored, *size))
        raise
    return frames


def _with_torchcodec(
    torchcodec: Any, path: str, header: _Header, times: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    from unlabelled.data.media.images import scale_frames  # it imports torch

    timestamps = _display_times(path) - header.zero
    if times[-1] > timestamps[-1] + END_SLACK:
        raise BackendError("the span is beyond the last frame")
    decoder = torchcodec.VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=1)
    unique, positions = np.unique(choose_frames(timestamps, times), return_inverse=True)
    frames: NDArray[np.uint8] = decoder.get_frames_at(indices=unique.tolist()).data.numpy()
    return scale_frames(frames[positions], *size)


def _display_times(path: str) -> NDArray[np.float64]:
    """Return the time stamps of all packets in order: torchcodec seeks by numbers of frames in this order."""
    with open_media(path) as container:
        packets = container.demux(need_video(path, container))
        stamps = [float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None]
    if not stamps:
        raise BackendError("no time stamps")
    return np.sort(np.array(stamps))
