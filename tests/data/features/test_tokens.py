"""Rows, tokens and frames of a clip: worked examples, and independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from unlabelled.data.features.tokens import (
    audio_window,
    clip_rows,
    frame_at,
    frames_seconds,
    l2_normalise,
    max_pooled,
    nearest_rows,
    pad_frames,
    pad_tokens,
    video_tokens,
)

MAPS = [
    # start, end, 2D rows, 3D rows, the 2D row at each 3D row; by hand, docs/methods/sspc.md#features
    (10.3, 18.3, (10, 19), (15, 28), [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8]),
    (3.9, 12.1, (3, 13), (5, 19), [0, 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 7, 8, 9]),
]


@pytest.mark.parametrize(("start", "end", "rows_2d", "rows_3d", "places"), MAPS)
def test_rows_of_a_clip(
    start: float, end: float, rows_2d: tuple[int, int], rows_3d: tuple[int, int], places: list[int]
) -> None:
    flat, deep = clip_rows(start, end, 1.0, 100), clip_rows(start, end, 1.5, 150)
    assert (flat.start, flat.stop) == rows_2d
    assert (deep.start, deep.stop) == rows_3d
    assert nearest_rows(flat.stop - flat.start, deep.stop - deep.start).tolist() == places


@pytest.mark.parametrize(("start", "end", "rows_2d", "rows_3d", "places"), MAPS)
def test_tokens_of_a_clip(
    start: float, end: float, rows_2d: tuple[int, int], rows_3d: tuple[int, int], places: list[int]
) -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(100, 3))[slice(*rows_2d)]
    deep = rng.normal(size=(150, 5))[slice(*rows_3d)]
    tokens, mask = pad_tokens(video_tokens([flat, deep], 12), 12)
    assert mask.all()
    for token, (row, place) in enumerate(list(enumerate(places))[:12]):
        expected = [flat[place] / np.linalg.norm(flat[place]), deep[row] / np.linalg.norm(deep[row])]
        assert tokens[token] == pytest.approx(np.concatenate(expected), abs=1e-6)
    assert np.linalg.norm(tokens, axis=1) == pytest.approx(np.sqrt(2), abs=1e-6)


def test_interpolation_comes_before_truncation() -> None:
    """With 8 s there are 13 3D rows; resampling the 9 2D rows to 12 at once would give another map (7.17)."""
    flat, deep = np.eye(9), np.ones((13, 1))
    chosen = video_tokens([flat, deep], 12)[:, :9].argmax(1).tolist()
    assert chosen == [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7]
    assert nearest_rows(9, 12).tolist() != chosen


def test_an_eight_second_clip_fills_nine_tokens_of_clip() -> None:
    rows = np.ones((30, 4))[clip_rows(10.3, 18.3, 1.0, 30)]
    tokens, mask = pad_tokens(video_tokens([rows], 12), 12)
    assert mask.tolist() == [True] * 9 + [False] * 3
    assert tokens[:9] == pytest.approx(np.full((9, 4), 0.5))
    assert not tokens[9:].any()


@given(st.floats(0, 60), st.floats(0, 60), st.floats(0.5, 4), st.integers(0, 50))
def test_rows_lie_in_the_video_and_in_the_clip(
    start: float, length: float, rate: float, num_rows: int
) -> None:
    chosen = range(num_rows)[clip_rows(start, start + length, rate, num_rows)]
    wanted = range(int(start * rate), int((start + length) * rate) + 1)
    assert list(chosen) == [row for row in wanted if row < num_rows]


def test_rows_to_the_end() -> None:
    assert clip_rows(0.0, math.inf, 1.5, 7) == slice(0, 7)
    assert clip_rows(99.0, math.inf, 1.5, 7) == slice(7, 7)


@given(st.integers(1, 80), st.integers(1, 80))
def test_nearest_rows_are_those_of_torch(rows: int, wanted: int) -> None:
    line = torch.arange(rows, dtype=torch.float64).view(1, 1, -1)
    theirs = F.interpolate(line, size=wanted, mode="nearest").flatten().tolist()
    ours = nearest_rows(rows, wanted).tolist()
    exact = [math.floor(place * rows / wanted + 1e-9) for place in range(wanted)]
    assert ours == exact
    # torch multiplies by a rounded scale, and may so be one row off where the quotient is whole
    assert all(
        a == b or place * rows % wanted == 0 for place, (a, b) in enumerate(zip(ours, theirs, strict=True))
    )


def test_empty_streams_make_no_tokens() -> None:
    assert video_tokens([np.ones((0, 3)), np.ones((5, 4))], 12).shape == (0, 7)
    assert video_tokens([np.ones((5, 3)), np.ones((0, 4))], 12).shape == (0, 7)


def test_nearest_and_max_pool() -> None:
    rows = np.array([[3.0, 1], [1, 2], [5, 0], [0, 7], [2, 2], [1, 1], [9, 9]])
    assert max_pooled(rows, 3).tolist() == [
        [3, 2],
        [5, 7],
        [2, 2],
    ]  # blocks of 7 // 3 = 2, the last is left out
    assert max_pooled(rows, 7) is rows
    assert video_tokens([rows], 3, "max_pool") == pytest.approx(l2_normalise(max_pooled(rows, 3)))
    assert video_tokens([rows], 3, "nearest") == pytest.approx(l2_normalise(rows[[0, 2, 4]]))
    assert video_tokens([rows[:2]], 4, "nearest") == pytest.approx(l2_normalise(rows[[0, 0, 1, 1]]))
    both = video_tokens([rows[:4], rows], 2, "nearest")
    assert both == pytest.approx(np.hstack([l2_normalise(rows[[0, 2]]), l2_normalise(rows[[0, 3]])]))


def test_normalised_rows() -> None:
    rows = np.array([[3.0, 4.0], [0.0, 0.0]], np.float16)
    assert l2_normalise(rows) == pytest.approx(F.normalize(torch.from_numpy(rows).float()).numpy())
    assert l2_normalise(rows).dtype == np.float32


@pytest.mark.parametrize(
    ("seconds", "frame"),
    [(0, -2), (0.5, 48), (4, 398), (8, 798), (10, 998), (14, 1398), (18, 1798), (22, 2198)],
)
def test_seconds_and_frames(seconds: float, frame: int) -> None:
    assert frame_at(seconds) == frame


@pytest.mark.parametrize(("frames", "seconds"), [(768, 7.6925), (3072, 30.7325), (6000, 60.0125), (0, 0.0)])
def test_length_of_frames(frames: int, seconds: float) -> None:
    assert frames_seconds(frames) == seconds


def test_the_audio_of_a_clip() -> None:
    spectrogram = np.arange(2200.0)[None].repeat(40, 0)
    assert audio_window(spectrogram, 0, 8)[0].tolist() == list(range(798))
    assert audio_window(spectrogram, 14, 22)[0].tolist() == list(range(1398, 2198))
    assert audio_window(spectrogram, 18, 26)[0].tolist() == list(range(1798, 2200))
    assert audio_window(spectrogram, 30, 38).shape == (40, 0)
    assert audio_window(spectrogram, -4, 4).shape == (40, 398)
    assert audio_window(spectrogram, -9, -1).shape == (40, 0)
    assert audio_window(spectrogram, 0, math.inf).shape == (40, 2200)


@pytest.mark.parametrize("padding", [0.0, -80.0])
def test_padded_frames(padding: float) -> None:
    frames = np.full((40, 5), -7.0, np.float16)
    padded, mask = pad_frames(frames, 8, padding)
    assert padded.dtype == np.float32
    assert mask.tolist() == [True] * 5 + [False] * 3
    assert (padded[:, :5] == -7).all()
    assert (padded[:, 5:] == padding).all()
    cut, mask = pad_frames(frames, 3, padding)
    assert cut.shape == (40, 3)
    assert mask.all()
