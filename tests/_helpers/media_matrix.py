"""Media files of all kinds, made at test time: frames carry their number, and audio its time.

A `Kind` is a video codec with its options and an audio codec in a container. The audio is noise of a seed:
the second from which a waveform was read is where it agrees with the noise.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests._helpers.media_files import paint_number

_SIZE = (80, 64)


@dataclass(frozen=True)
class Kind:
    """The codecs, the container and the times of a file.

    Attributes:
        suffix: The container, as a file ending.
        video: Video encoder; empty: none.
        audio: Audio encoder; empty: none.
        gop: Frames between keyframes.
        bframes: Consecutive B-frames.
        fps: Frames per second.
        duration: Seconds of video and audio.
        offset: Time stamp of the beginning in seconds.
        late_video: Seconds by which the video begins after the audio.
        late_audio: Seconds by which the audio begins after the video.
        pixels: Pixel format; empty: yuv420p.
        options: Options of the video encoder.
        rate: Sample rate in Hz.
        format: Name of the container's format; empty: that of the suffix.
        drop: Every how many frames one is left out, for a variable rate; 0: none.
    """

    suffix: str
    video: str = "libx264"
    audio: str = "aac"
    gop: int = 12
    bframes: int = 0
    fps: Fraction = Fraction(25)
    duration: float = 2.0
    offset: float = 0.0
    late_video: float = 0.0
    late_audio: float = 0.0
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    rate: int = 48000
    format: str = ""
    drop: int = 0

    def __str__(self) -> str:
        """Return a name for reports: everything that is not the default."""
        named = {each.name: (getattr(self, each.name), each.default) for each in fields(self)[3:]}
        parts = [self.suffix, self.video or "none", self.audio or "none"]
        parts += [f"{name}={value}" for name, (value, default) in named.items() if value not in (default, {})]
        return " ".join(parts)

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds at which the frames appear, before the offset."""
        numbers = np.arange(max(1, round(self.duration * self.fps)))
        kept = numbers if not self.drop else numbers[(numbers % self.drop != 1) | (numbers < 1)]
        return np.asarray(kept / float(self.fps) + self.late_video)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The number that each frame carries: that of its time at a constant rate."""
        return np.round((self.times - self.late_video) * float(self.fps)).astype(np.int64)


def noise(kind: Kind) -> NDArray[np.float32]:
    """Return the audio track ``(samples,)`` of a kind: noise from 300 to 3000 Hz."""
    count = round((kind.duration - kind.late_audio) * kind.rate)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / kind.rate)
    spectrum[(hertz < 300) | (hertz > 3000)] = 0
    track = np.fft.irfft(spectrum, count)
    return (0.25 * track / track.std()).astype(np.float32)


def write(kind: Kind, folder: Path) -> str:
    """Write a file of a kind and return its path.

    Raises:
        av.FFmpegError, ValueError: This FFmpeg cannot make it.
    """
    path = str(folder / f"clip.{kind.suffix}")
    with av.open(path, "w", format=kind.format or None) as container:
        video = _video_stream(container, kind) if kind.video else None
        audio = container.add_stream(kind.audio, rate=kind.rate, layout="mono") if kind.audio else None
        pending = []
        if video is not None:
            pending.append(_encoded(video, _frames(kind)))
        if audio is not None:
            audio.codec_context.bit_rate = 96_000
            pending.append(_encoded(audio, _blocks(kind, audio)))
        for packets in _by_time(pending):
            container.mux(packets)
    return path


def _video_stream(container: Any, kind: Kind) -> Any:
    rate = kind.fps
    stream = container.add_stream(kind.video, rate=rate)
    stream.width, stream.height, stream.pix_fmt = *_SIZE, kind.pixels
    context = stream.codec_context
    context.gop_size, context.max_b_frames, context.thread_count, context.bit_rate = (
        kind.gop,
        kind.bframes,
        1,
        800_000,
    )
    stream.options = dict(kind.options)
    if kind.video == "libx264":
        fixed = {"preset": "ultrafast", "crf": "20", "bf": str(kind.bframes), "sc_threshold": "0"}
        stream.options = {**fixed, **kind.options}
    fine = kind.suffix in ("mp4", "mov", "mkv", "ts", "m4v") and kind.video in ("libx264", "libx265")
    context.time_base = Fraction(1, 30000) if fine and (kind.drop or kind.late_video) else 1 / rate
    return stream


def _frames(kind: Kind) -> Iterator[tuple[float, Any]]:
    for number, time in zip(kind.numbers.tolist(), kind.times.tolist(), strict=True):
        frame = av.VideoFrame.from_ndarray(paint_number(number, _SIZE), format="rgb24")
        frame.time_base = Fraction(1, 90000)
        frame.pts = round((time + kind.offset) * 90000)
        yield time, frame.reformat(format=kind.pixels)


def _blocks(kind: Kind, stream: Any) -> Iterator[tuple[float, Any]]:
    track, wanted = noise(kind), stream.codec_context.format.name
    to_wanted = av.AudioResampler(format=wanted, layout="mono", rate=kind.rate)
    for begin in range(0, len(track), 1024):
        frame = av.AudioFrame.from_ndarray(
            track[None, begin : begin + 1024].copy(), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.time_base = kind.rate, Fraction(1, kind.rate)
        frame.pts = begin + round((kind.offset + kind.late_audio) * kind.rate)
        for converted in to_wanted.resample(frame):
            yield begin / kind.rate + kind.late_audio, converted


def _encoded(stream: Any, frames: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
    time = 0.0
    for time, frame in frames:
        yield time, stream.encode(frame)
    yield time, stream.encode(None)


def _by_time(streams: list[Iterator[tuple[float, Any]]]) -> Iterator[Any]:
    """Yield the packets of several streams in the order of time."""
    return (packets for _, packets in heapq.merge(*streams, key=lambda each: each[0]))


def lag_of(
    waveform: NDArray[np.float32], track: NDArray[np.float32], second: float, rate: int
) -> tuple[float, float]:
    """Return how many seconds a waveform, read from a second of a track, is late, and how well it agrees."""
    pad = rate // 2
    begin = round(second * rate)
    padded = np.concatenate([np.zeros(pad, np.float32), track, np.zeros(pad + len(waveform), np.float32)])
    part = padded[max(0, begin) : begin + 2 * pad + len(waveform)]
    size = len(part) + len(waveform)
    product = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(waveform, size)), size)[: len(part)]
    best = int(np.argmax(product))
    scale = float(np.linalg.norm(waveform) * np.linalg.norm(part[best : best + len(waveform)])) or 1.0
    return (pad - best) / rate, float(product[best]) / scale
