"""Parts of files as clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests._helpers.media_files import click_positions, read_numbers, write_clip
from unlabelled.data.media.entries import Entries, Entry
from unlabelled.data.media.index import ClipIndex
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.segments import BEYOND_END, Segments, cut_index
from unlabelled.data.media.span_reader import SpanReader
from unlabelled.data.media.storage import short_hash


@pytest.mark.parametrize(
    ("seconds", "stride", "end", "expected"),
    [
        (4.0, None, 12.0, [(0, 4), (4, 8), (8, 12)]),
        (4.0, None, 10.0, [(0, 4), (4, 8), (6, 10)]),
        (4.0, 3.0, 9.0, [(0, 4), (3, 7), (5, 9)]),
        (4.0, 6.0, 10.0, [(0, 4), (6, 10)]),
        (4.0, None, 3.0, [(0, 3.0)]),
        (4.0, None, 7.99, [(0, 4), (4, 7.99)]),
    ],
)
def test_segments(seconds: float, stride: float | None, end: float, expected: list[Any]) -> None:
    assert list(Segments(seconds, stride)(0.0, end)) == expected


def test_a_segment_has_a_duration() -> None:
    with pytest.raises(ValueError, match=r"segment_seconds=0 must be above 0"):
        Segments(0.0)


def test_spans_and_segments_of_an_index() -> None:
    entries = (Entry("a", 0), Entry("b", 1, 2.0, 5.0), Entry("b", 1, 30.0), Entry("c", 0, 9.95))
    index = ClipIndex(
        "/root", "train", Entries(entries), np.array([3.0, 20.0, 20.0, 10.0]), {"d": "truncated"}, 5
    )
    cut = cut_index(index, Segments(2.0), shortest=0.5)
    spans = [(entry.path, entry.start, entry.end) for entry in cut.entries]
    assert spans == [("a", 0.0, 2.0), ("a", 1.0, 3.0), ("b", 2.0, 4.0), ("b", 3.0, 5.0)]
    assert cut.durations.tolist() == [2.0] * 4
    assert cut.left_out == {
        "d": "truncated",
        "b [30- s]": BEYOND_END,
        "c [9.95- s]": "too short",
    }
    assert cut.listed == 7
    assert "train: 4 of 7 clips usable, parts of 2 files; left out 3" in cut.summary()
    assert cut.fingerprint != cut_index(index, Segments(1.5), 0.5).fingerprint
    whole = cut_index(index, None, 0.5)
    assert whole.entries[0] == entries[0]


def test_whole_files_keep_the_fingerprint_of_earlier_versions() -> None:
    index = ClipIndex("/root", "train", Entries([Entry("a.mp4", 3)]), np.ones(1), {}, 1)
    assert index.fingerprint == short_hash('[["a.mp4", 3]]')


def test_a_span_is_read_like_a_file_of_its_own(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", duration=4.0, fps=25)
    reader = SpanReader(PyAVReader(), start=1.0, duration=1.5)
    expected = PyAVReader().frames(path, 1.2, 1.0, 5)
    assert read_numbers(reader.frames(path, 0.2, 1.0, 5)) == read_numbers(expected)
    assert reader.info(path).duration == reader.info(path).audio_duration == 1.5
    waveform = reader.waveform(path, 0.0, 3.0, 16000)
    assert waveform.shape == (48000,)
    assert click_positions(waveform, 16000) == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0, 1.25], abs=2e-3)
    assert not waveform[24000:].any()
    assert not reader.waveform(path, 2.0, 1.0, 16000).any()
    assert np.isfinite(waveform).all()
