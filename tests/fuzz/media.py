"""Mutated media files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests._helpers.media_files import read_number
from tests._helpers.media_matrix import Kind, write
from tests._helpers.memory import peak_kib, reset_peak
from tests.fuzz.children import outcomes
from tests.fuzz.mutations import mutate
from unlabelled.data.media.probe import probe
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.reader import DecodeError, choose_frames, frame_times

OTHER, MEMORY, NOT_FINITE = "other seconds", "memory", "not finite"
_KINDS = (
    Kind("mp4", bframes=2),
    Kind("mkv"),
    Kind("mov", audio="pcm_s16le"),
    Kind("avi", video="mpeg4", audio="libmp3lame"),
    Kind("webm", video="libvpx", audio="libopus"),
    Kind("ts", video="mpeg2video", audio="mp2"),
    Kind("mpg", video="mpeg2video", audio="mp2", bframes=2),
    Kind("flv", rate=44100),
)
_MOST_MEMORY = 2**21  # KiB


def fuzz(number: int, seed: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the file and the outcome of mutated files; bad ones stay in the folder."""
    rng = np.random.default_rng(seed)
    wholes = [Path(write(kind, folder)) for kind in _KINDS]
    paths = []
    for count in range(number):
        whole = wholes[count % len(wholes)]
        path = folder / f"{count:05d}{whole.suffix}"
        path.write_bytes(mutate(whole.read_bytes(), rng))
        paths.append(path)
    values = [[str(path), int(rng.integers(2**31))] for path in paths]
    for path, outcome in zip(paths, outcomes(f"{__name__}:examine", values), strict=True):
        if outcome.startswith(("read", "refused")):
            path.unlink()
        yield path.name, outcome


def examine(value: list[Any]) -> str:
    """Check a file as an index does, and read it as a data set does."""
    path, seed = value
    reset_peak()
    verdict = probe(path, True, True, 0.5)
    if verdict.reason is not None:
        return f"refused: {verdict.reason.partition(':')[0]}"
    reader, rng = PyAVReader(), np.random.default_rng(seed)
    try:
        timestamps, whole = reader.all_frames(path)
        for start in verdict.start + rng.uniform(0, max(0.0, verdict.duration - 0.4), 3):
            frames = reader.frames(path, start, 0.4, 4)
            if not np.isfinite(reader.waveform(path, start, 0.4, 16000)).all():
                return NOT_FINITE
            times = frame_times(start, 0.4, 4, reader.info(path).fps)
            if _shows_other_seconds(frames, whole[choose_frames(timestamps, times)]):
                return OTHER
    except DecodeError:
        return "refused when it is read"
    if peak_kib() > _MOST_MEMORY:
        return MEMORY
    return "read"


def _shows_other_seconds(frames: NDArray[np.uint8], expected: NDArray[np.uint8]) -> bool:
    """Return whether a frame after a seek is another one than without; damaged ones may differ a little."""
    return any(
        _is_undamaged(frame) and _is_undamaged(other) and abs(read_number(frame) - read_number(other)) > 1
        for frame, other in zip(frames, expected, strict=True)
    )


def _is_undamaged(frame: NDArray[np.uint8]) -> bool:
    """Return whether most pixels are black or white, as they were painted."""
    return bool(((frame < 75) | (frame > 180)).mean() > 0.9)
