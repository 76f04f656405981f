"""Clips in columns, and the index that processes map into memory together."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabelled.data.media.array_file import map_arrays, write_arrays
from unlabelled.data.media.entries import Entries, Entry
from unlabelled.data.media.index import ClipIndex
from unlabelled.data.media.mapped_index import MappedIndex, map_index, share_index
from unlabelled.data.strings import Strings

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.just("broken \udcff name")
seconds = st.floats(0, 1e5)
entries = st.builds(Entry, names, st.integers(-1, 2**31 - 1), seconds, st.none() | seconds)


@given(st.lists(names))
def test_strings_are_those_of_the_list(strings: list[str]) -> None:
    found = Strings(strings)
    assert list(found) == found[:] == strings
    assert found[-2:] == strings[-2:]


@given(st.lists(entries))
def test_columns_hold_what_objects_held(listed: list[Entry]) -> None:
    found = Entries(listed)
    assert list(found) == listed
    assert found == tuple(listed)
    assert found.is_span.tolist() == [entry.is_span for entry in listed]
    assert sorted(found.paths) == sorted({entry.path for entry in listed})
    assert found.num_files == len({entry.path for entry in listed})
    assert Entries.of(found.columns()) == found


def test_a_clip_takes_40_bytes_and_the_name_of_its_file() -> None:
    found = Entries(Entry(f"{number:06d}.mp4", number) for number in range(1000))
    assert sum(each.nbytes for each in found.columns().values()) == 1000 * (24 + 8 + len("000000.mp4"))


@pytest.fixture
def index(tmp_path: Path) -> ClipIndex:
    listed = [Entry("a.mp4", 3), Entry("b ä.mp4", -1, 1.5, 2.5), Entry("b ä.mp4", 0, 7.0)]
    return ClipIndex(
        str(tmp_path), "train", Entries(listed), np.array([1.0, 1.0, 2.25]), {"c.mp4": "missing"}, 4,
        late={"a.mp4": 0.5}, backend="decord", unproved={"a.mp4": "other frames"},
    )  # fmt: skip


def test_a_shared_index_is_the_index(index: ClipIndex) -> None:
    shared = share_index(index)
    assert isinstance(shared, MappedIndex)
    for found in (shared, pickle.loads(pickle.dumps(shared)), map_index(index.root, Path(shared.file).name)):
        assert isinstance(found, MappedIndex)
        assert found.entries == index.entries
        assert found.durations.tolist() == index.durations.tolist()
        assert found.fingerprint == index.fingerprint
        assert found.summary() == index.summary()
        assert found.proved == index.proved
        assert not found.durations.flags.owndata


def test_a_copy_of_a_shared_index_is_its_name(index: ClipIndex) -> None:
    many = replace(index, entries=Entries([Entry("a.mp4", 0)] * 5000), durations=np.ones(5000))
    assert len(pickle.dumps(share_index(many))) < 500


def test_another_index_has_another_file(index: ClipIndex) -> None:
    others = [index, replace(index, durations=index.durations + 1), replace(index, late={})]
    files = {Path(index.root, ".unlabelled", share_index(each).file) for each in others}  # type: ignore[attr-defined]
    assert len(files) == 3
    assert share_index(index).durations[0] == 1.0


def test_an_index_that_cannot_be_written_is_kept(
    index: ClipIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".unlabelled").write_text("not a folder")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert share_index(index) is index
    assert "a list of the clips of its own" in caplog.text


def test_damage_of_an_array_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "arrays"
    write_arrays(str(path), {"a": np.arange(100), "none": np.zeros(0, np.float32)}, {"n": 1})
    arrays, facts = map_arrays(str(path))
    assert (arrays["a"].tolist(), arrays["none"].shape, facts) == (list(range(100)), (0,), {"n": 1})
    content = path.read_bytes()
    for damaged in (content[:-80], content[:40], b"", content[:20] + b"x" + content[21:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is damaged"):
            map_arrays(str(path))
    position = content.index(np.int64(77).tobytes())
    path.write_bytes(content[:position] + b"\1" + content[position + 1 :])
    with pytest.raises(ValueError, match="its array a is damaged"):
        map_arrays(str(path))
