"""Decode every file of a small data set once, and from then on read it from a memory map."""

from __future__ import annotations

import functools
import json
import mmap
import os
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.container import EMPTY, MISSING, NO_AUDIO, NO_VIDEO, UNDECODABLE
from unlabelled.data.media.reader import (
    DecodeError,
    MediaInfo,
    WholeFileReader,
    choose_frames,
    frame_times,
    scaled_size,
)
from unlabelled.data.media.storage import derived_folder, short_hash, write_atomically

# Raised whenever what is stored changes its meaning, so that older files are decoded afresh.
_VERSION = 1
# A stored file: the header's length (8 bytes), the header (JSON), then the arrays at multiples of 64 bytes.
_ALIGNMENT = 64

Frames = NDArray[np.uint8]


class CachedReader:
    """Serves clips from decoded copies, which makes the disk, not the decoder, the limit.

    A copy takes ``3 * short_side * long side`` bytes a frame, far more than the video: 3 s at 128 x 96
    and 25 frames a second take 2.8 MB, 10 s at 340 x 256 and 30 take 78 MB.
    Of a file that breaks off, the part before the break cannot be read, since whole files are decoded.
    It is made anew when the file's size or time of change differs; the old one is left for you to delete.

    Args:
        reader: Decodes whole files, and decides what a frame or a waveform is.
        short_side: Of the stored frames, in pixels.
        sample_rate: Of the stored waveforms, in Hz.
        folder: For the copies; ``None``: ``.unlabelled/decoded`` beside each file, or under the user's
            cache folder where that cannot be written.

    Raises:
        ValueError: ``short_side`` or ``sample_rate`` is below 1.
    """

    def __init__(
        self, reader: WholeFileReader, short_side: int, sample_rate: int, folder: str | None = None
    ) -> None:
        if short_side < 1 or sample_rate < 1:
            raise ValueError(
                f"short_side and sample_rate must be at least 1, got {short_side} and {sample_rate}"
            )
        self.reader, self.short_side, self.sample_rate, self.folder = reader, short_side, sample_rate, folder

    def info(self, path: str) -> MediaInfo:
        """Facts about the file, as the wrapped reader told them."""
        return self._decoded(path).info

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> Frames:
        """RGB frames ``(num_frames, height, width, 3)``; see :meth:`Reader.frames`.

        ``short_side`` defaults to the stored one; for any other the stored frames are scaled once more.
        """
        copy = self._decoded(path)
        if copy.frames is None or copy.timestamps is None:
            raise DecodeError(path, copy.video_error)
        times = frame_times(start, duration, num_frames, copy.info.fps)
        chosen: Frames = copy.frames[choose_frames(copy.timestamps, times)]
        return chosen if short_side in (None, self.short_side) else _scaled(chosen, short_side)

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """One channel ``(round(duration * sample_rate),)``; see :meth:`Reader.waveform`.

        Raises:
            ValueError: ``sample_rate`` is not the stored one.
        """
        if sample_rate != self.sample_rate:
            raise ValueError(
                f"this CachedReader stores sound at {self.sample_rate} Hz, but {sample_rate} Hz were "
                f"asked for: create it with sample_rate={sample_rate}"
            )
        copy = self._decoded(path)
        if copy.waveform is None:
            raise DecodeError(path, copy.audio_error)
        out = np.zeros(round(duration * sample_rate), np.float32)
        begin = round(start * sample_rate)
        part = copy.waveform[max(begin, 0) : max(begin + len(out), 0)]
        offset = max(-begin, 0)
        out[offset : offset + len(part)] = part
        return out

    def _decoded(self, path: str) -> _Copy:
        target = self._target(path)
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # none yet, or not a whole one
            return _load(target)
        content = _Content(self.reader, path, self.short_side, self.sample_rate)
        if not content.arrays:  # nothing to store; it may have been the network's fault
            return content.copy()
        _store(content, path, target)
        return _load(target)

    def _target(self, path: str) -> str:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DecodeError(path, MISSING) from error
        except OSError as error:
            raise DecodeError(path, f"{UNDECODABLE}: {error.strerror}") from error
        if status.st_size == 0:
            raise DecodeError(path, EMPTY)
        absolute = os.path.abspath(path)
        facts = (absolute, status.st_size, status.st_mtime_ns, self.short_side, self.sample_rate)
        folder = _folder_beside(os.path.dirname(absolute)) if self.folder is None else self.folder
        return os.path.join(folder, f"{short_hash(repr(facts))}.clip")


@functools.lru_cache(maxsize=1024)
def _folder_beside(folder: str) -> str:
    return derived_folder(folder, "decoded")


class _Copy(NamedTuple):
    """A decoded file, its arrays mapped into memory; ``None`` with an error where it has no such stream."""

    info: MediaInfo
    timestamps: NDArray[np.float64] | None
    frames: Frames | None
    waveform: NDArray[np.float32] | None
    video_error: str
    audio_error: str


class _Content:
    """Everything there is to store about one file.

    A stream that cannot be decoded is stored as the reason: the other one may be all that is wanted.
    """

    def __init__(self, reader: WholeFileReader, path: str, short_side: int, sample_rate: int) -> None:
        info = reader.info(path)
        self.arrays: dict[str, NDArray[Any]] = {}
        self.header: dict[str, Any] = {"version": _VERSION, "info": asdict(info)}
        self.header |= {"video_error": NO_VIDEO, "audio_error": NO_AUDIO}
        if info.has_video:
            try:
                self.arrays["timestamps"], self.arrays["frames"] = reader.all_frames(path, short_side)
            except DecodeError as error:
                self.header["video_error"] = error.reason
        if info.has_audio:
            try:
                whole = reader.waveform(path, 0.0, info.audio_duration, sample_rate)
                self.arrays["waveform"] = whole
            except DecodeError as error:
                self.header["audio_error"] = error.reason

    def copy(self) -> _Copy:
        return _copy(self.header, self.arrays)

    def write(self, file: BinaryIO) -> None:
        place, table = 0, {}
        for name, array in self.arrays.items():
            table[name] = (array.dtype.str, array.shape, place)
            place += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        header = json.dumps(self.header | {"arrays": table}).encode()
        header += b" " * (-(len(header) + 8) % _ALIGNMENT)
        file.write(len(header).to_bytes(8, "little") + header)
        for array in self.arrays.values():
            file.write(np.ascontiguousarray(array).data)
            file.write(b"\0" * (-array.nbytes % _ALIGNMENT))


def _store(content: _Content, path: str, target: str) -> None:
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        write_atomically(target, content.write)
    except OSError as error:
        raise OSError(
            f"cannot store the decoded copy of {path} as {target}: {error.strerror or error}. "
            f"Make room there, give CachedReader another folder, or read without it"
        ) from error


def _load(target: str) -> _Copy:
    with open(target, "rb", buffering=0) as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    base = 8 + int.from_bytes(memory[:8], "little")
    header = json.loads(memory[8:base])
    if header["version"] != _VERSION:
        raise ValueError(f"{target} is of version {header['version']}, not {_VERSION}")
    return _copy(header, {name: _view(memory, base, *facts) for name, facts in header["arrays"].items()})


def _copy(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> _Copy:
    return _Copy(
        info=MediaInfo(**header["info"]),
        timestamps=arrays.get("timestamps"),
        frames=arrays.get("frames"),
        waveform=arrays.get("waveform"),
        video_error=header["video_error"],
        audio_error=header["audio_error"],
    )


def _view(memory: mmap.mmap, base: int, dtype: str, shape: list[int], place: int) -> NDArray[Any]:
    count = int(np.prod(shape))
    return np.frombuffer(memory, dtype, count, base + place).reshape(shape)


def _scaled(frames: Frames, short_side: int | None) -> Frames:
    """Frames ``(time, height, width, 3)`` with another short side."""
    import torch
    from torch.nn.functional import interpolate

    width, height = scaled_size(frames.shape[2], frames.shape[1], short_side)
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2)
    resized = interpolate(pictures, (height, width), mode="bilinear", antialias=True)
    return resized.permute(0, 2, 3, 1).contiguous().numpy()
