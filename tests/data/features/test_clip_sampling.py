"""Seconds and captions of a clip: worked cases, brute force, and invariants."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests._helpers.feature_layouts import captions
from unlabelled.data.features.captions import CaptionTable, write_captions
from unlabelled.data.features.clip_sampling import ClipWindow, grow, sample_clip, spoken_at


def spans(*pairs: tuple[float, float]) -> Any:
    starts, ends = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return SimpleNamespace(starts=starts, ends=ends)


class Drawn:
    """A generator of which only the given numbers come."""

    def __init__(self, start: float, coin: float = 0.9) -> None:
        self.start, self.coin = start, coin

    def uniform(self, low: float, high: float) -> float:
        self.limits = (low, high)
        return self.start

    def random(self) -> float:
        return self.coin


def draw(captions: Any, duration: float, start: float, coin: float = 0.9, **more: Any) -> ClipWindow:
    return sample_clip(captions, duration, Drawn(start, coin), **more)


TALK = spans((0, 3), (3, 5), (6, 9), (9, 10), (30, 42), (50, 51))


@pytest.mark.parametrize(
    ("start", "order", "span"),
    [
        (
            7.0,
            (2, 3, 1, 0),
            (0, 10),
        ),  # with the next one 4 s, with the previous one 6 s; then always previous ones
        (1.0, (0, 1, 2), (0, 9)),
        (31.0, (4,), (30, 42)),  # longer than 8 s by itself
        (50.5, (5, 4), (30, 51)),  # however far away the other one is
        (5.5, (4,), None),  # no caption at 5.5, nor at 13.5
        (24.0, (4,), (30, 42)),  # a caption at its end
    ],
)
def test_worked_cases(start: float, order: tuple[int, ...], span: tuple[float, float] | None) -> None:
    window = draw(TALK, 60, start)
    if span is None:
        assert window == ClipWindow(start, start + 8, start, start + 8, ())
    else:
        assert window.captions == order
        assert (window.start, window.end) == span
        assert (window.audio_start, window.audio_end) == (span[0] + 4, span[0] + 12)


def test_of_equally_near_neighbours_the_previous_one_comes_first() -> None:
    assert grow(spans((0, 2), (2, 4), (4, 6), (6, 8), (8, 10)), 2, 8.0) == (2, 1, 0, 3)


def test_a_caption_has_to_begin_before_the_second() -> None:
    assert spoken_at(TALK, 3.0) == 0  # which ends then; the next one begins only now
    assert spoken_at(TALK, 0.0) is None
    assert spoken_at(TALK, 5.0) == 1
    assert spoken_at(TALK, 5.01) is None
    assert spoken_at(TALK, 99.0) is None
    assert spoken_at(spans(), 1.0) is None


def test_no_captions_at_all() -> None:
    assert draw(spans(), 60, 7.5) == ClipWindow(7.5, 15.5, 7.5, 15.5, ())


@pytest.mark.parametrize(
    ("duration", "limit"), [(60.0, 52), (60.99, 52), (8.0, 0), (3.0, 0), (0.0, 0), (8.9, 0)]
)
def test_where_clips_may_begin(duration: float, limit: float) -> None:
    drawn = Drawn(0.0)
    sample_clip(spans(), duration, drawn)
    assert drawn.limits == (0.0, limit)


@pytest.mark.parametrize(
    ("shift", "coin", "expected"),
    [
        ("forward", 0.1, (34, 42)),
        ("forward", 0.9, (34, 42)),
        ("random", 0.1, (34, 42)),
        ("random", 0.9, (26, 34)),
        ("none", 0.1, (30, 42)),
    ],
)
def test_the_audio_of_captioned_clips(
    shift: Literal["forward", "random", "none"], coin: float, expected: tuple[float, float]
) -> None:
    window = draw(TALK, 60, 31.0, coin, audio_shift=shift)
    assert (window.audio_start, window.audio_end) == expected
    silent = draw(TALK, 60, 11.0, coin, audio_shift=shift)
    assert (silent.audio_start, silent.audio_end) == (silent.start, silent.end) == (11.0, 19.0)


@st.composite
def talks(draw: st.DrawFn) -> Any:
    """Sorted captions, which may overlap or lie apart."""
    steps = st.floats(0, 20)
    starts = np.cumsum(draw(st.lists(steps, max_size=12)))
    lengths = np.array(draw(st.lists(steps, min_size=len(starts), max_size=len(starts))))
    return spans(*zip(starts, starts + lengths, strict=True))


def brute_force(talk: Any, chosen: int, min_time: float) -> list[int]:
    """Grow by trying both sides."""
    order = [chosen]
    while True:
        first, last = min(order), max(order)
        if talk.ends[last] - talk.starts[first] >= min_time:
            return order
        options = [
            (talk.ends[max(last, new)] - talk.starts[min(first, new)], rank, new)
            for rank, new in enumerate((first - 1, last + 1))
            if 0 <= new < len(talk.starts)
        ]
        if not options:
            return order
        order.append(min(options)[2])


@given(talk=talks(), seed=st.integers(0, 99), duration=st.floats(0, 120), min_time=st.floats(0.5, 20))
def test_what_always_holds(talk: Any, seed: int, duration: float, min_time: float) -> None:
    window = sample_clip(talk, duration, np.random.default_rng(seed), min_time)
    start = np.random.default_rng(seed).uniform(0, max(0, int(duration) - min_time))
    inside = [  # by definition: the last caption that began before a second, if it is not over
        max((n for n in range(len(talk.starts)) if talk.starts[n] < second), default=None)
        for second in (start, start + min_time)
    ]
    seconds = (start, start + min_time)
    spoken = [n for n, t in zip(inside, seconds, strict=True) if n is not None and talk.ends[n] >= t]
    if not spoken:
        assert window == ClipWindow(start, start + min_time, start, start + min_time)
        return
    assert list(window.captions) == brute_force(talk, spoken[0], min_time)
    first, last = min(window.captions), max(window.captions)
    assert sorted(window.captions) == list(range(first, last + 1))
    assert (window.start, window.end) == (talk.starts[first], talk.ends[last])
    everything = first == 0 and last == len(talk.starts) - 1
    assert everything or window.end - window.start >= min_time
    assert window.audio_end - window.audio_start == pytest.approx(min_time)


def test_clips_follow_from_the_generator() -> None:
    clips = [sample_clip(TALK, 60, np.random.default_rng(7), audio_shift="random") for _ in range(2)]
    assert clips[0] == clips[1]
    many = np.random.default_rng(7)
    assert len({sample_clip(TALK, 60, many) for _ in range(50)}) > 5


def test_a_table_of_captions(tmp_path: Path) -> None:
    odd = {"start": np.array([5, 1]), "end": [6.0, 2.0], "text": ["later", "sooner"]}
    gaps = {"start": [0, 1], "end": [1, 2], "text": [float("nan"), None]}
    counts = write_captions(
        str(tmp_path / "c"), [("a", captions("x", "y")), ("b", odd), ("c", captions()), ("d", gaps)]
    )
    assert counts == {"videos": 4, "captions": 6, "without_captions": 1, "sorted": 1}
    table = CaptionTable(str(tmp_path / "c"))
    assert table.find(["c", "none", "a"]).tolist() == [2, -1, 0]
    assert table.lengths().tolist() == [2, 2, 0, 2]
    assert table[1].starts.tolist() == [1, 5]
    assert table[1].ends.tolist() == [2, 6]
    assert table[1].texts([1, 0]) == ["later", "sooner"]
    assert table[3].texts([0, 1]) == ["", ""]
    assert len(table[2]) == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"start": [0], "end": [1]}, "video 'v': expected `start`, `end` and `text`, found 'start', 'end'"),
        ([1], "video 'v': expected `start`, `end` and `text`, found list"),
        (
            {"start": [0], "end": [1, 2], "text": ["a"]},
            "video 'v': expected as many starts and ends as texts",
        ),
        (
            {"start": [0], "end": [np.nan], "text": ["a"]},
            "video 'v', caption 0: start or end is not a finite number",
        ),
        ({"start": ["x"], "end": [1], "text": ["a"]}, "video 'v': `start` and `end` must be seconds"),
    ],
)
def test_captions_that_are_none(tmp_path: Path, value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        write_captions(str(tmp_path / "c"), [("v", value)])
    assert not (tmp_path / "c").exists()


def test_another_table_is_not_one_of_captions(tmp_path: Path) -> None:
    from unlabelled.data.features.stored_text import write_text_features

    write_text_features(str(tmp_path / "t"), 2, [])
    with pytest.raises(ValueError, match="is not a table of captions: it has no column 'end'"):
        CaptionTable(str(tmp_path / "t"))
