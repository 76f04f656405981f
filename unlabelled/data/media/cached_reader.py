"""Decode every file of a small data set once, and read it from a memory map afterwards."""

from __future__ import annotations

import functools
import json
import logging
import mmap
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.audio_parts import AudioPart, cut_parts
from unlabelled.data.media.container import EMPTY, MISSING
from unlabelled.data.media.disk import state_of
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
_VERSION = 3
# A stored file: length and CRC-32 of the header (8 bytes each), the header (JSON), then the arrays at
# multiples of 64 bytes.
_ALIGNMENT = 64
_PREFIX = 16

_log = logging.getLogger(__name__)


class CachedReader:
    """Reads clips from decoded copies of their files; the disk, not the decoder, limits the speed.

    A copy takes ``3 * short_side * long side`` bytes per frame, far more than the video: 3 s at 128 x 96 and
    25 frames per second take 2.8 MB, 10 s at 340 x 256 and 30 frames per second take 78 MB. Files are decoded
    as a whole, so nothing of a truncated file can be read. A file whose size or modification time has changed
    is decoded again; its old copy is not deleted. What is read of a copy is compared with its checksum; one
    that is damaged, incomplete, of another file or of another version is made again.

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
        chosen = choose_frames(copy.arrays["timestamps"], times)
        if not copy.is_intact("frames", np.unique(chosen).tolist()):
            copy = self._renewed(path)
        frames: NDArray[np.uint8] = copy.arrays["frames"][chosen]
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
        if not copy.is_intact("waveform"):
            copy = self._renewed(path)
        parts, waveform = copy.arrays["parts"].tolist(), copy.arrays["waveform"]
        found = (AudioPart(begin, waveform[offset : offset + length]) for begin, offset, length in parts)
        return cut_parts(path, found, start, duration, sample_rate)

    def _decoded(self, path: str) -> _Copy:
        """Return the copy of a file, which is written if there is none."""
        target = self._target(path)
        try:
            return _load(target)
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            _log.info("the decoded copy %s of %s is made again: %s", target, path, error)
        copy = _decode(self.reader, path, self.short_side, self.sample_rate)
        if not copy.arrays:  # not stored, since the cause may be temporary, such as the network
            return copy
        _store(copy, path, target)
        return _load(target)

    def _renewed(self, path: str) -> _Copy:
        """Return a new copy of a file, in place of a damaged one."""
        target = self._target(path)
        _log.warning("the decoded copy %s of %s is made again: its checksum differs", target, path)
        with suppress(FileNotFoundError):  # another process may renew it as well
            os.unlink(target)
        return self._decoded(path)

    def _target(self, path: str) -> str:
        try:
            size, modified = state_of(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DecodeError(path, MISSING) from error
        except OSError as error:
            raise DecodeError(path, f"{UNDECODABLE}: {error.strerror}") from error
        if size == 0:
            raise DecodeError(path, EMPTY)
        absolute = os.path.abspath(path)
        facts = (absolute, size, modified, self.short_side, self.sample_rate)
        folder = _folder_beside(os.path.dirname(absolute)) if self.folder is None else self.folder
        return os.path.join(folder, f"{short_hash(repr(facts))}.clip")


@functools.lru_cache(maxsize=1024)
def _folder_beside(folder: str) -> str:
    return derived_folder(folder, "decoded")


class _Copy(NamedTuple):
    """A decoded file: the arrays ``timestamps`` and ``frames``, ``parts`` and ``waveform``, of its streams.

    The errors are the reasons why a stream is absent; the checksums are the CRC-32 of each row of ``frames``,
    and of the other arrays as a whole.
    """

    info: MediaInfo
    video_error: str
    audio_error: str
    arrays: dict[str, NDArray[Any]]
    checksums: dict[str, list[int]]

    def is_intact(self, name: str, rows: Sequence[int] | None = None) -> bool:
        """Return whether rows of an array, or the whole of it, have their checksums."""
        parts = _parts(name, self.arrays[name])
        known = self.checksums[name]
        numbers = range(len(parts)) if rows is None else rows
        return len(parts) == len(known) and all(zlib.crc32(parts[row].data) == known[row] for row in numbers)


def _parts(name: str, array: NDArray[Any]) -> Sequence[NDArray[Any]]:
    """Return the parts of an array that have a checksum each."""
    return list(array) if name == "frames" else [array]


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
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    checksums = {
        name: [zlib.crc32(part.data) for part in _parts(name, array)] for name, array in arrays.items()
    }
    return _Copy(info, errors["video"], errors["audio"], arrays, checksums)


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
        content = {"version": _VERSION, "name": os.path.basename(target), **copy._asdict()}
        header = json.dumps({**content, "info": asdict(copy.info), "arrays": table}).encode()
        header += b" " * (-(len(header) + _PREFIX) % _ALIGNMENT)
        for number in (len(header), zlib.crc32(header)):
            file.write(number.to_bytes(8, "little"))
        file.write(header)
        for array in copy.arrays.values():
            file.write(array.data)
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
    """Map a stored copy into memory.

    Raises:
        ValueError: The header or a small array is damaged, or the copy is of another version or file.
    """
    if os.path.islink(target):
        raise ValueError("it is a link")
    with open(target, "rb", buffering=0) as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    base = _PREFIX + int.from_bytes(memory[:8], "little")
    text = memory[_PREFIX:base]
    if zlib.crc32(text) != int.from_bytes(memory[8:_PREFIX], "little"):
        raise ValueError("its header is damaged, or of an earlier version")
    header = json.loads(text)
    if (header["version"], header["name"]) != (_VERSION, os.path.basename(target)):
        raise ValueError("it is of another version or of another file")
    arrays = {
        name: np.frombuffer(memory, dtype, int(np.prod(shape)), base + position).reshape(shape)
        for name, (dtype, shape, position) in header["arrays"].items()
    }
    info = {name: value for name, value in header["info"].items() if name in MediaInfo.__dataclass_fields__}
    copy = _Copy(MediaInfo(**info), header["video_error"], header["audio_error"], arrays, header["checksums"])
    if not all(copy.is_intact(name) for name in ("timestamps", "parts") if name in arrays):
        raise ValueError("its checksum differs")
    return copy
