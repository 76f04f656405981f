"""Decode every file of a small data set once, and read it from a memory map afterwards."""

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

from unlabelled.data.media.audio_parts import AudioPart, cut_parts
from unlabelled.data.media.container import EMPTY, MISSING
from unlabelled.data.media.reader import (
    NO_AUDIO,
    DecodeError,
    MediaInfo,
    WholeFileReader,
    choose_frames,
    frame_times,
    scaled_size,
)
from unlabelled.data.media.storage import derived_folder, short_hash, write_atomically
from unlabelled.data.media.streams import NO_VIDEO, UNDECODABLE

# To be raised whenever the meaning of the stored data changes: older files are then decoded again.
_VERSION = 2
# A stored file: the header's length (8 bytes), the header (JSON), then the arrays at multiples of 64 bytes.
_ALIGNMENT = 64


class CachedReader:
    """Reads clips from decoded copies of their files; the disk, not the decoder, limits the speed.

    A copy takes ``3 * short_side * long side`` bytes per frame, far more than the video: 3 s at 128 x 96 and
    25 frames per second take 2.8 MB, 10 s at 340 x 256 and 30 frames per second take 78 MB. Files are decoded
    as a whole, so nothing of a truncated file can be read. A file whose size or modification time has changed
    is decoded again; its old copy is not deleted.

    Args:
        reader: Decodes whole files.
        short_side: Short side of the stored frames, in pixels.
        sample_rate: Sample rate of the stored waveforms, in Hz.
        folder: Folder of the copies; ``None``: ``.unlabelled/decoded`` beside each file, or below the user's
            cache folder if that is not writable.

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
        """Return the :class:`MediaInfo` that the wrapped reader returned."""
        return self._decoded(path).info

    def frames(
        self, path: str, start: float, duration: float, num_frames: int, short_side: int | None = None
    ) -> NDArray[np.uint8]:
        """Return RGB frames ``(num_frames, height, width, 3)``; see :meth:`Reader.frames`.

        ``short_side`` defaults to the stored one; for any other the stored frames are scaled again.
        """
        copy = self._decoded(path)
        if "frames" not in copy.arrays:
            raise DecodeError(path, copy.video_error)
        times = frame_times(start, duration, num_frames, copy.info.fps)
        frames: NDArray[np.uint8] = copy.arrays["frames"][choose_frames(copy.arrays["timestamps"], times)]
        if short_side in (None, self.short_side):
            return frames
        from unlabelled.data.media.images import scale_frames  # it imports torch

        return scale_frames(frames, *scaled_size(frames.shape[2], frames.shape[1], short_side))

    def waveform(self, path: str, start: float, duration: float, sample_rate: int) -> NDArray[np.float32]:
        """Return one channel ``(round(duration * sample_rate),)``; see :meth:`Reader.waveform`.

        Raises:
            ValueError: ``sample_rate`` is not the stored one.
        """
        if sample_rate != self.sample_rate:
            raise ValueError(
                f"this CachedReader stores audio at {self.sample_rate} Hz, but {sample_rate} Hz are "
                f"required: create it with sample_rate={sample_rate}"
            )
        copy = self._decoded(path)
        if "waveform" not in copy.arrays:
            raise DecodeError(path, copy.audio_error)
        parts, waveform = copy.arrays["parts"].tolist(), copy.arrays["waveform"]
        found = (AudioPart(begin, waveform[offset : offset + length]) for begin, offset, length in parts)
        return cut_parts(path, found, start, duration, sample_rate)

    def _decoded(self, path: str) -> _Copy:
        """Return the copy of a file, which is written if there is none."""
        target = self._target(path)
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # no copy, or an incomplete one
            return _load(target)
        copy = _decode(self.reader, path, self.short_side, self.sample_rate)
        if not copy.arrays:  # not stored, since the cause may be temporary, such as the network
            return copy
        _store(copy, path, target)
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
    """A decoded file: the arrays ``timestamps`` and ``frames``, ``parts`` and ``waveform``, of its streams.

    The errors are the reasons why a stream is absent.
    """

    info: MediaInfo
    video_error: str
    audio_error: str
    arrays: dict[str, NDArray[Any]]


def _decode(reader: WholeFileReader, path: str, short_side: int, sample_rate: int) -> _Copy:
    """Decode a file; an undecodable stream is noted as an error, since the other one may suffice."""
    info, errors = reader.info(path), {"video": NO_VIDEO, "audio": NO_AUDIO}
    arrays: dict[str, NDArray[Any]] = {}
    if info.has_video:
        try:
            arrays["timestamps"], arrays["frames"] = reader.all_frames(path, short_side)
        except DecodeError as error:
            errors["video"] = error.reason
    if info.has_audio:
        try:
            arrays["parts"], arrays["waveform"] = _join(reader.all_audio(path, sample_rate))
        except DecodeError as error:
            errors["audio"] = error.reason
    return _Copy(info, errors["video"], errors["audio"], arrays)


def _join(parts: list[AudioPart]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return ``(begin, offset, length)`` of each part, and the samples of all ``(samples,)``."""
    ends = np.cumsum([len(part.samples) for part in parts], dtype=np.int64)
    table = [
        (part.begin, end - len(part.samples), len(part.samples))
        for part, end in zip(parts, ends, strict=True)
    ]
    samples = [np.zeros(0, np.float32), *(part.samples for part in parts)]
    return np.array(table, np.int64).reshape(-1, 3), np.concatenate(samples)


def _store(copy: _Copy, path: str, target: str) -> None:
    def write(file: BinaryIO) -> None:
        position, table = 0, {}
        for name, array in copy.arrays.items():
            table[name] = (array.dtype.str, array.shape, position)
            position += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        content = {"version": _VERSION, **copy._asdict(), "info": asdict(copy.info), "arrays": table}
        header = json.dumps(content).encode()
        header += b" " * (-(len(header) + 8) % _ALIGNMENT)
        file.write(len(header).to_bytes(8, "little") + header)
        for array in copy.arrays.values():
            file.write(np.ascontiguousarray(array).data)
            file.write(b"\0" * (-array.nbytes % _ALIGNMENT))

    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        write_atomically(target, write)
    except OSError as error:
        raise OSError(
            f"cannot store the decoded copy of {path} as {target}: {error.strerror or error}; "
            f"free space there, set another folder of CachedReader, or read without it"
        ) from error


def _load(target: str) -> _Copy:
    """Map a stored copy into memory."""
    with open(target, "rb", buffering=0) as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    base = 8 + int.from_bytes(memory[:8], "little")
    header = json.loads(memory[8:base])
    if header["version"] != _VERSION:
        raise ValueError(f"{target} is of version {header['version']}, not {_VERSION}")
    arrays = {
        name: np.frombuffer(memory, dtype, int(np.prod(shape)), base + position).reshape(shape)
        for name, (dtype, shape, position) in header["arrays"].items()
    }
    info = {name: value for name, value in header["info"].items() if name in MediaInfo.__dataclass_fields__}
    return _Copy(MediaInfo(**info), header["video_error"], header["audio_error"], arrays)
