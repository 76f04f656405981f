"""Small media files for the tests, written with PyAV, and ways to damage them.

The number of each frame is painted into its pixels (`read_number` gets it back, also after resizing),
and the audio is silence with short clicks at known times, so tests can check which seconds were read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

CLICK_SPACING = 0.25
_COLUMNS, _ROWS = 5, 2  # ten bits: frame numbers up to 1023


def paint_number(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a frame ``(height, width, 3)`` showing ``number`` as ten black or white blocks."""
    width, height = size
    bits = np.array([(number >> bit) & 1 for bit in range(_COLUMNS * _ROWS)]).reshape(_ROWS, _COLUMNS)
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    grey = np.where(bits[rows][:, columns] == 1, 230, 25).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def read_number(frame: NDArray[np.uint8]) -> int:
    """Return the number painted into a frame ``(height, width, 3)`` of any size."""
    height, width = frame.shape[:2]
    number = 0
    for bit in range(_COLUMNS * _ROWS):
        row, column = divmod(bit, _COLUMNS)
        y, x = int((row + 0.5) * height / _ROWS), int((column + 0.5) * width / _COLUMNS)
        number |= int(frame[y - 1 : y + 2, x - 1 : x + 2].mean() > 128) << bit
    return number


def read_numbers(frames: NDArray[np.uint8]) -> list[int]:
    """Return the numbers painted into frames ``(time, height, width, 3)``."""
    return [read_number(frame) for frame in frames]


def click_positions(waveform: NDArray[np.float32], sample_rate: int) -> list[float]:
    """Return the seconds at which the clicks of ``waveform (samples,)`` peak."""
    level = np.abs(waveform)
    found: list[float] = []
    loud = np.flatnonzero(level > 0.25)
    while loud.size:
        near = loud[loud < loud[0] + 0.02 * sample_rate]
        found.append(float(near[np.argmax(level[near])]) / sample_rate)
        loud = loud[loud >= loud[0] + 0.02 * sample_rate]
    return found


def write_clip(
    path: str | os.PathLike[str],
    *,
    duration: float = 1.0,
    fps: float | Fraction = 25,
    size: tuple[int, int] | None = (64, 48),
    sample_rate: int = 16000,
    layout: str | None = "mono",
    timestamps: Sequence[float] | None = None,
    gop: int = 12,
    bframes: int = 2,
    paint_index: bool = True,
    faststart: bool = True,
    clicks: Sequence[float] | None = None,
    audio_duration: float | None = None,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    rotation: int = 0,
) -> str:
    """Write a clip (the container follows the suffix) and return its path.

    Args:
        path: Where to write.
        duration: Seconds of video, and of audio unless ``audio_duration`` is given.
        fps: Frames a second, when ``timestamps`` is not given.
        size: ``(width, height)``; ``None``: no video stream.
        sample_rate: Of the audio stream, in Hz.
        layout: ``mono``, ``stereo``, ``5.1``; ``None``: no audio stream.
        timestamps: Seconds at which each frame appears, for a variable frame rate.
        gop: Frames between keyframes.
        bframes: Consecutive B-frames.
        paint_index: Show the frame's number; otherwise noise.
        faststart: MP4 only: put the index first, so that a cut file still opens.
        clicks: Seconds of the clicks; ``None``: every 0.25 s.
        audio_duration: Seconds of audio.
        video_codec: Name of the encoder.
        audio_codec: Name of the encoder.
        rotation: Degrees, counter-clockwise, in the container's display matrix.
    """
    path = os.fspath(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    is_mp4 = Path(path).suffix in (".mp4", ".mov", ".m4v")
    options = {"movflags": "+faststart"} if faststart and is_mp4 else {}
    with av.open(path, "w", options=options) as container:
        video = _video_stream(container, video_codec, fps, size, gop, bframes, rotation) if size else None
        audio = container.add_stream(audio_codec, rate=sample_rate, layout=layout) if layout else None
        if audio is not None and audio_codec == "aac":
            audio.options = {"aac_pns": "0"}  # invented noise would differ each time it is decoded
        if video is not None and size is not None:
            times = timestamps if timestamps is not None else _regular(duration, fps)
            _write_video(container, video, times, size, paint_index)
        if audio is not None and layout is not None:
            seconds = duration if audio_duration is None else audio_duration
            _write_audio(container, audio, seconds, sample_rate, layout, clicks)
    return path


def _regular(duration: float, fps: float | Fraction) -> list[float]:
    return [float(number / Fraction(fps)) for number in range(round(duration * fps))]


def _video_stream(container, codec, fps, size, gop, bframes, rotation):  # type: ignore[no-untyped-def]
    stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
    stream.width, stream.height = size
    odd = size[0] % 2 or size[1] % 2
    stream.pix_fmt = "yuv444p" if odd and codec == "libx264" else "yuv420p"
    stream.gop_size = gop
    stream.codec_context.max_b_frames = bframes
    stream.codec_context.thread_count = 1
    if codec == "libx264":
        stream.options = {"preset": "ultrafast", "crf": "20", "bf": str(bframes), "sc_threshold": "0"}
    tick = 1 / Fraction(fps).limit_denominator(1001) if container.format.name == "avi" else Fraction(1, 30000)
    stream.time_base = stream.codec_context.time_base = tick
    if rotation:
        stream.set_display_rotation(rotation)
    return stream


def _write_video(container, stream, times, size, paint_index) -> None:  # type: ignore[no-untyped-def]
    noise = np.random.default_rng(0)
    for number, time in enumerate(times):
        if paint_index:
            pixels = paint_number(number, size)
        else:
            pixels = noise.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = round(time * 30000)
        frame.time_base = Fraction(1, 30000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _write_audio(container, stream, seconds, sample_rate, layout, clicks) -> None:  # type: ignore[no-untyped-def]
    track = np.zeros(round(seconds * sample_rate), np.float32)
    for time in np.arange(0, seconds, CLICK_SPACING) if clicks is None else clicks:
        position = round(float(time) * sample_rate)
        track[position : position + 3] = (0.7, 0.9, 0.7)[: max(0, track.size - position)]
    channels = av.AudioLayout(layout).nb_channels
    stream_format = stream.codec_context.format.name
    for begin in range(0, track.size, 1024):
        samples = np.ascontiguousarray(np.tile(track[begin : begin + 1024], (channels, 1)))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, begin, Fraction(1, sample_rate)
        if stream_format == "fltp":
            container.mux(stream.encode(frame))
            continue
        resampler = av.AudioResampler(format=stream_format, layout=layout, rate=sample_rate)
        for converted in resampler.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


def truncate(path: str, fraction: float = 0.5) -> str:
    """Keep only the first ``fraction`` of the file's bytes, as an interrupted download does."""
    os.truncate(path, int(os.path.getsize(path) * fraction))
    return path


def empty(path: str | os.PathLike[str]) -> str:
    """Write a file without a single byte."""
    Path(path).write_bytes(b"")
    return os.fspath(path)


def garbage(path: str | os.PathLike[str], size: int = 20_000) -> str:
    """Write a file of random bytes."""
    Path(path).write_bytes(np.random.default_rng(0).bytes(size))
    return os.fspath(path)


def web_page(path: str | os.PathLike[str]) -> str:
    """Write an error page saved under a video's name, as failed downloads leave them."""
    Path(path).write_text("<!DOCTYPE html><html><body>404 Not Found</body></html>\n" * 50)
    return os.fspath(path)


def rot(path: str, begin: float = 0.3, end: float = 0.9) -> str:
    """Overwrite the bytes between two fractions of the file with random ones."""
    content = bytearray(Path(path).read_bytes())
    first, last = int(len(content) * begin), int(len(content) * end)
    content[first:last] = np.random.default_rng(1).bytes(last - first)
    Path(path).write_bytes(bytes(content))
    return path


def stream_copy_cut(source: str, target: str | os.PathLike[str], start: float, duration: float) -> str:
    """Cut without re-encoding, like ``ffmpeg -ss start -t duration -c copy``.

    The video begins at the keyframe before ``start``: those frames get negative timestamps, and the
    container's edit list excludes them.
    """
    target = os.fspath(target)
    with av.open(source) as reader, av.open(target, "w", options={"avoid_negative_ts": "disabled"}) as writer:
        copies = {s.index: writer.add_stream_from_template(s) for s in reader.streams}
        reader.seek(int(start * av.time_base), backward=True)
        for packet in reader.demux():
            if packet.dts is None or packet.pts is None:
                continue
            time = float(packet.pts * packet.time_base)
            early = time < start and packet.stream.type == "audio"
            if early or time >= start + duration:
                continue
            shift = round(start / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = copies[packet.stream.index]
            writer.mux(packet)
    return target


def remux(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    shift: Callable[[str, float], float] = lambda kind, second: 0.0,
    keep: Sequence[str] = ("video", "audio"),
) -> str:
    """Copy streams of an MP4 file; ``shift(type, second)`` seconds are added to its time stamps."""
    target = os.fspath(target)
    with av.open(os.fspath(source)) as reader, av.open(target, "w") as writer:
        copies = {s.index: writer.add_stream_from_template(s) for s in reader.streams if s.type in keep}
        for packet in reader.demux([reader.streams[index] for index in copies]):
            if packet.dts is None or packet.pts is None:
                continue
            seconds = shift(packet.stream.type, float(packet.pts * packet.time_base))
            ticks = round(seconds / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = copies[packet.stream.index]
            writer.mux(packet)
    return target


def join_streams(
    target: str | os.PathLike[str], streams: Sequence[tuple[str, str, bool]], first_packets: int | None = None
) -> str:
    """Write one file with streams of MP4 files, ``(path, type, default)``; some packets of the first."""
    target = os.fspath(target)
    default = av.stream.Disposition.default
    with av.open(target, "w") as writer:
        readers = [av.open(path) for path, _, _ in streams]
        packets = []
        for number, (reader, (_, kind, flagged)) in enumerate(zip(readers, streams, strict=True)):
            stream = getattr(reader.streams, kind)[0]
            copy = writer.add_stream_from_template(stream)
            copy.disposition = default if flagged else av.stream.Disposition(0)
            found = [packet for packet in reader.demux(stream) if packet.dts is not None]
            for packet in found[: first_packets if number == 0 else None]:
                packets.append((float(packet.dts * packet.time_base), packet, copy))
        for _, packet, copy in sorted(packets, key=lambda each: each[0]):
            packet.stream = copy
            writer.mux(packet)
        for reader in readers:
            reader.close()
    return target
