"""The thumbnail and the short preview of one sample."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from unlabelled.data.media.disk import state_of
from unlabelled.data.media.files import IMAGE_SUFFIXES
from unlabelled.data.media.images import decode_image
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import DecodeError, MediaInfo, scaled_size
from unlabelled.data.media.storage import short_hash, write_atomically
from unlabelled.data.synthetic.mp4 import write_mp4
from unlabelled.transforms.log_mel import LogMel

Kind = Literal["video", "audio", "image", "none"]
SECONDS = 3.0
"""Longest preview."""
SHORT_SIDE = 120
"""Short side of thumbnails and previews in pixels; smaller files are not enlarged."""
IMAGE_SIDE = 360
"""Short side of the preview of an image."""
_FPS = 12
_RATE = 24000
_BELOW_VIDEO = (240, 48)  # pixels of the spectrogram of a video
_READER = PyAVReader()


@dataclass(frozen=True)
class Preview:
    """The files of one sample.

    Args:
        kind: What the sample is; ``none``: there is no file of this path, or it cannot be read.
        thumbnail: Name of a JPEG file in the folder of the previews; empty: none.
        media: Name of an MP4, M4A or JPEG file there; empty: none.
        size: Bytes of all files.
        reason: Why there is none.
        has_spectrogram: True if there is ``<thumbnail>_audio.jpg``, of the audio of a video.
    """

    kind: Kind = "none"
    thumbnail: str = ""
    media: str = ""
    size: int = 0
    reason: str = ""
    has_spectrogram: bool = False


def make_preview(path: str, start: float, end: float, folder: Path) -> Preview:
    """Write the thumbnail and the preview of a sample, unless they exist.

    Args:
        path: A media or image file.
        start: Beginning of the sample in seconds.
        end: Its end; NaN: that of the file.
        folder: Folder of the files. Their names are hashes of the path, its size and time, and the span.
    """
    try:
        size, modified = state_of(path)
        stem = short_hash(f"{path}|{size}|{modified}|{start}|{end}")
        if path.lower().endswith(IMAGE_SUFFIXES):
            return _image(path, folder, stem)
        return _media(path, start, end, folder, stem)
    except OSError as error:
        return Preview(reason=error.strerror or type(error).__name__)
    except DecodeError as error:
        return Preview(reason=error.reason)
    except Exception as error:  # encoders raise errors of all types for odd sizes and rates
        return Preview(reason=" ".join(str(error).split()) or type(error).__name__)


def _image(path: str, folder: Path, stem: str) -> Preview:
    thumbnail, media = folder / f"{stem}.jpg", folder / f"{stem}_large.jpg"
    if not (thumbnail.exists() and media.exists()):
        image = Image.fromarray(decode_image(path).permute(1, 2, 0).numpy())
        _write_jpeg(_shrunk(image, IMAGE_SIDE), media)
        _write_jpeg(_shrunk(image, SHORT_SIDE), thumbnail)
    return _made("image", thumbnail, media)


def _media(path: str, start: float, end: float, folder: Path, stem: str) -> Preview:
    thumbnail = folder / f"{stem}.jpg"
    for kind, media in (("video", folder / f"{stem}.mp4"), ("audio", folder / f"{stem}.m4a")):
        if thumbnail.exists() and media.exists():
            return _made("video" if kind == "video" else "audio", thumbnail, media)
    info = _READER.info(path)
    last = info.duration if np.isnan(end) else end
    duration = max(min(SECONDS, last - start), 0.1)
    begin = start + max(last - start - duration, 0) / 2
    if info.has_video:
        _video_files(path, begin, duration, info, thumbnail, folder / f"{stem}.mp4")
        return _made("video", thumbnail, folder / f"{stem}.mp4")
    _audio_files(path, begin, duration, thumbnail, folder / f"{stem}.m4a")
    return _made("audio", thumbnail, folder / f"{stem}.m4a")


def _video_files(
    path: str, begin: float, duration: float, info: MediaInfo, thumbnail: Path, media: Path
) -> None:
    side = min(SHORT_SIDE, info.width, info.height)
    count = max(2, round(duration * _FPS))
    frames = _READER.frames(path, begin, duration, count, side)
    even = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    if min(even.shape[1:3]) < 2:
        raise DecodeError(path, "frames of one pixel")
    waveform = np.zeros(round(duration * _RATE), np.float32)
    if info.has_audio:
        waveform = _READER.waveform(path, begin, duration, _RATE)
        image = Image.fromarray(_spectrogram(waveform)).resize(_BELOW_VIDEO)
        write_atomically(str(_audio_of(thumbnail)), lambda file: image.save(file, "JPEG", quality=82))
    rate = Fraction(count) / Fraction(duration).limit_denominator(1000)
    with _replacing(media) as part:
        write_mp4(part, list(np.ascontiguousarray(even)), rate.limit_denominator(1000), waveform[None], _RATE)
    _write_jpeg(Image.fromarray(frames[count // 2]), thumbnail)


def _audio_files(path: str, begin: float, duration: float, thumbnail: Path, media: Path) -> None:
    waveform = _READER.waveform(path, begin, duration, _RATE)
    with _replacing(media) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=_RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = _RATE, 0, Fraction(1, _RATE)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    _write_jpeg(Image.fromarray(_spectrogram(waveform)), thumbnail)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file, which becomes ``path`` if it is complete."""
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _spectrogram(waveform: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the log-mel spectrogram as RGB ``(SHORT_SIDE, W, 3)``, low frequencies at the bottom."""
    frames = max(8, len(waveform) * 100 // _RATE - 1)
    energies = LogMel(_RATE, 60, frames, level="clip")(torch.from_numpy(waveform))[0].numpy()
    scaled = (energies - energies.min()) / max(float(np.ptp(energies)), 1e-6)
    colours = matplotlib.colormaps["magma"](scaled[::-1])[..., :3]
    image = Image.fromarray((colours * 255).astype(np.uint8)).resize((SHORT_SIDE * 4 // 3, SHORT_SIDE))
    return np.asarray(image)


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    if min(image.size) <= side:
        return image
    return image.resize(scaled_size(*image.size, side), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _write_jpeg(image: Image.Image, path: Path) -> None:
    # Frames that are much wider than high would be larger than their neighbours.
    limit = 3 * min(image.size)
    box = (0, 0, min(image.width, limit), min(image.height, limit))
    cropped = image.crop(box)
    write_atomically(str(path), lambda file: cropped.save(file, "JPEG", quality=82))


def _audio_of(thumbnail: Path) -> Path:
    return thumbnail.with_name(f"{thumbnail.stem}_audio.jpg")


def _made(kind: Kind, thumbnail: Path, media: Path) -> Preview:
    files = [path for path in (thumbnail, media, _audio_of(thumbnail)) if path.exists()]
    size = sum(path.stat().st_size for path in files)
    return Preview(kind, thumbnail.name, media.name, size, has_spectrogram=len(files) == 3)
