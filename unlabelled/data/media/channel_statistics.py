"""Mean and standard deviation of the colours of a folder of videos, computed once and stored beside it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.disk import state_of
from unlabelled.data.media.files import MEDIA_SUFFIXES, scan_files
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import DecodeError, Reader
from unlabelled.data.media.storage import derived_folder, read_sealed, short_hash, write_sealed
from unlabelled.seeding import numpy_generator

_log = logging.getLogger(__name__)

_SHORT_SIDE = 128
_VERSION = 2  # to be raised when the statistics are computed otherwise


@dataclass(frozen=True)
class ChannelStatistics:
    """Statistics of all pixels of one frame of each file.

    Attributes:
        mean: Mean of red, green and blue, from 0 to 1.
        std: Standard deviation of red, green and blue.
        files: Number of files that were read.
        left_out: Number of files that could not be read, or have no video.
    """

    mean: list[float]
    std: list[float]
    files: int
    left_out: int


def channel_statistics(root: str, num_files: int = 10_000, num_workers: int = 1) -> ChannelStatistics:
    """Return the statistics of the middle frames of the files below a folder, which are stored in it.

    They are computed again when a file is added, removed or changed.

    Args:
        root: The folder.
        num_files: Largest number of files; of more, this many are drawn by a fixed seed.
        num_workers: Number of threads that decode.

    Raises:
        ValueError: No file could be read.
    """
    paths = scan_files(root, MEDIA_SUFFIXES)
    states = [[path, *state_of(f"{root}/{path}")] for path in paths]
    name = short_hash(repr([_VERSION, num_files, states]))
    cache = os.path.join(derived_folder(root, "channels"), f"{name}.json")
    if (known := _stored(cache)) is not None:
        return known
    drawn = numpy_generator(0, "channel statistics").permutation(len(paths))[:num_files]
    found = _measure([f"{root}/{paths[row]}" for row in sorted(drawn)], num_workers)
    write_sealed(cache, asdict(found))
    return found


def _stored(cache: str) -> ChannelStatistics | None:
    """Return the statistics of a file; None: there is none of these media files that is whole."""
    try:
        found = ChannelStatistics(**read_sealed(cache))
        numbers = [float(number) for number in (*found.mean, *found.std, found.files, found.left_out)]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        _log.warning("the statistics are computed again: %s", error)
        return None
    return found if len(numbers) == 8 and np.isfinite(numbers).all() else None


def _measure(paths: Sequence[str], num_workers: int) -> ChannelStatistics:
    reader = PyAVReader()
    with ThreadPoolExecutor(num_workers) as pool:
        sums = list(pool.map(lambda path: _sums(reader, path), paths))
    read = [each for each in sums if each is not None]
    if not read:
        raise ValueError(f"none of {len(paths)} media files has a frame that can be read")
    count, total, squares = (sum(column) for column in zip(*read, strict=True))
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return ChannelStatistics(mean.tolist(), std.tolist(), len(read), len(paths) - len(read))


def _sums(reader: Reader, path: str) -> tuple[Any, NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the number of pixels of the middle frame, and the sums of their colours and of the squares."""
    try:
        facts = reader.info(path)
        if not facts.has_video:
            return None
        frame = reader.frames(path, facts.duration / 2, 1.0, 1, _SHORT_SIDE)[0] / 255.0
    except DecodeError:
        return None
    pixels = frame.reshape(-1, 3)
    return len(pixels), pixels.sum(0), np.square(pixels).sum(0)
