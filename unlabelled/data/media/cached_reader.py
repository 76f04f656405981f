"""Decode every file of a small data set once, and read it from a memory map afterwards."""

from __future__ import annotations

import functools
import logging
import os
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.audio_parts import AudioPart, cut_parts
from unlabelled.data.media.container import EMPTY, MISSING
from unlabelled.data.media.decoded_copy import Copy, checksums_of, load, store
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
from unlabelled.data.media.storage import derived_folder, short_hash
from unlabelled.data.media.streams import NO_VIDEO, UNDECODABLE

_log = logging.getLogger(__name__)
# What reading a copy raises whose header has a checksum, but not the content of one.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)


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

    def _decoded(self, path: str) -> Copy:
        """Return the copy of a file, which is written if there is none."""
        target = self._target(path)
        try:
            return load(target)
        except FileNotFoundError:
            pass
        except _DAMAGE as error:
            _log.info("the decoded copy %s of %s is made again: %s", target, path, error)
        copy = _decode(self.reader, path, self.short_side, self.sample_rate)
        if not copy.arrays:  # not stored, since the cause may be temporary, such as the network
            return copy
        store(copy, path, target)
        return load(target)

    def _renewed(self, path: str) -> Copy:
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


def _decode(reader: WholeFileReader, path: str, short_side: int, sample_rate: int) -> Copy:
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
    return Copy(info, errors["video"], errors["audio"], arrays, checksums_of(arrays))


def _join(parts: list[AudioPart]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return ``(begin, offset, length)`` of each part, and the samples of all ``(samples,)``."""
    ends = np.cumsum([len(part.samples) for part in parts], dtype=np.int64)
    table = [
        (part.begin, end - len(part.samples), len(part.samples))
        for part, end in zip(parts, ends, strict=True)
    ]
    samples = [np.zeros(0, np.float32), *(part.samples for part in parts)]
    return np.array(table, np.int64).reshape(-1, 3), np.concatenate(samples)
