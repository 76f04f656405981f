"""Every reader returns the right frames and audio of all kinds of files, which are made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests._helpers.media_files import read_numbers
from tests._helpers.media_kinds import KINDS
from tests._helpers.media_matrix import Kind, lag_of, noise, write
from unlabelled.data.media import CachedReader, DecordReader, PyAVReader
from unlabelled.data.media.backends import prove
from unlabelled.data.media.probe import probe
from unlabelled.data.media.reader import Reader, frame_times

_STARTS, _FRAMES = 4, 6
_made: list[Kind] = []


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    level = av.logging.get_level()
    av.logging.set_level(None)
    yield
    av.logging.set_level(level)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_frames_and_audio_are_those_of_the_seconds(kind: Kind, tmp_path: Path) -> None:
    try:
        path = write(kind, tmp_path)
    except (av.FFmpegError, ValueError) as error:  # UnknownCodecError is a ValueError
        pytest.skip(f"this FFmpeg cannot make {kind}: {error}")
    _made.append(kind)
    found = probe(path, bool(kind.video), bool(kind.audio), 0.0)
    late = max(kind.late_video, kind.late_audio)
    assert found.reason is None
    assert found.duration == pytest.approx(kind.duration - late, abs=0.07)
    assert found.start == pytest.approx(late, abs=0.05)
    for reader in _readers(path, kind, tmp_path):
        shift = _check_frames(reader, path, kind) if kind.video else None
        if kind.audio:
            _check_audio(reader, path, kind, shift)


def test_there_are_sixty_kinds() -> None:
    if len(_made) < len(KINDS) / 2:
        pytest.skip("only a part of the kinds was asked for")
    assert len(_made) >= 60


def _readers(path: str, kind: Kind, folder: Path) -> Iterator[Reader]:
    yield PyAVReader()
    yield CachedReader(PyAVReader(), 64, kind.rate, str(folder / "decoded"))
    proved = DecordReader()
    if kind.video and not prove("decord", path, kind.duration):
        proved.trust([path])
    yield proved


def _check_frames(reader: Reader, path: str, kind: Kind) -> float:
    """Check the frames of random spans; return by how many seconds the file presents them late."""
    times, frames = PyAVReader().all_frames(path)
    assert read_numbers(frames) == kind.numbers.tolist()
    shift = float(np.median(times - kind.times))
    # AVI has whole frames only: where audio begins with priming samples, one of them may be left out.
    assert times[1:] == pytest.approx(kind.times[1:] + shift, abs=1.1e-3)
    for start in _starts(kind, times, reader.info(path).fps):
        wanted = frame_times(start, _span(kind), _FRAMES, reader.info(path).fps)
        shown = np.searchsorted(times, wanted, side="right") - 1
        numbers = read_numbers(reader.frames(path, start, _span(kind), _FRAMES))
        assert numbers == kind.numbers[shown.clip(0)].tolist(), (type(reader).__name__, start)
    return shift


def _check_audio(reader: Reader, path: str, kind: Kind, shift: float | None) -> None:
    """Check that the audio of random spans is that of the same seconds as the frames."""
    track, span = noise(kind), _span(kind)
    rng = np.random.default_rng(2)
    begin = kind.late_audio + 0.03
    for start in rng.uniform(begin, max(begin, kind.duration - span - 0.03), _STARTS).tolist():
        waveform = reader.waveform(path, start, span, kind.rate)
        lag, agreement = lag_of(waveform, track, start - kind.late_audio, kind.rate)
        assert agreement > 0.9, (type(reader).__name__, start)
        if shift is None:
            assert abs(lag) < 0.05  # priming samples, where the format does not mark them
        else:
            frame = 1 / float(kind.fps)
            assert lag == pytest.approx(shift, abs=0.6 * frame if kind.suffix == "avi" else 1.1e-3)


def _span(kind: Kind) -> float:
    return min(0.5, kind.duration * 0.4)


def _starts(kind: Kind, times: NDArray[np.float64], fps: float) -> list[float]:
    """Return random starts of spans none of whose frames changes within the rounding of time stamps."""
    rng, starts = np.random.default_rng(1), list[float]()
    while len(starts) < _STARTS:
        start = float(rng.uniform(0, kind.duration - _span(kind)))
        wanted = frame_times(start, _span(kind), _FRAMES, fps)
        if np.abs(wanted[:, None] - times).min() > 1e-3:
            starts.append(start)
    return starts
