"""No cache is believed that was cut, changed, exchanged, or made by another version."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests._helpers.media_matrix import Kind, write
from unlabelled.data.features import word_vectors
from unlabelled.data.features.word_vectors import WordVectors, write_word2vec
from unlabelled.data.media import channel_statistics as statistics
from unlabelled.data.media import decoded_copy, probe_results
from unlabelled.data.media.array_file import map_arrays, write_arrays
from unlabelled.data.media.cached_reader import CachedReader
from unlabelled.data.media.entries import Entries, Entry
from unlabelled.data.media.index import ClipIndex
from unlabelled.data.media.mapped_index import share_index
from unlabelled.data.media.probe import Probe
from unlabelled.data.media.probe_results import ProbeResults
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.storage import read_record, read_sealed, write_sealed


class Attack:
    """A pickle that leaves a file when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


class Cache(NamedTuple):
    """A way to fill a cache: its files, and a call that uses them and returns what is compared."""

    file: Path
    use: Callable[[], Any]


def verdicts(folder: Path) -> Cache:
    (folder / "a.mp4").write_bytes(b"a")
    results = ProbeResults(str(folder), "train", ["key"], ["a.mp4"])
    results.add("a.mp4", Probe(2.0, None))
    results.save()

    def use() -> Any:
        again = ProbeResults(str(folder), "train", ["key"], ["a.mp4"])
        return again.stale() or again["a.mp4"]

    return Cache(Path(results.file), use)


def channels(folder: Path) -> Cache:
    shutil.copy(_clip(folder.parent), folder / "a.mp4")
    use = lambda: statistics.channel_statistics(str(folder))  # noqa: E731
    use()
    (file,) = (folder / ".unlabelled" / "channels").iterdir()
    return Cache(file, use)


def clips(folder: Path) -> Cache:
    entries = Entries([Entry("a.mp4", 3), Entry("b.mp4", 4, 1.0, 2.0)])
    index = ClipIndex(str(folder), "train", entries, np.array([2.0, 1.0]), {}, 2)

    def use() -> Any:
        shared = share_index(index)
        return [*shared.entries], shared.durations.tolist(), shared.fingerprint

    use()
    (file,) = (folder / ".unlabelled").iterdir()
    return Cache(file, use)


def words(folder: Path) -> Cache:
    path = str(folder / "words.bin")
    write_word2vec(path, ["cut", "onion"], np.arange(6.0).reshape(2, 3))
    use = lambda: WordVectors(path).encode("onion cut", 9).tokens.tolist()  # noqa: E731
    use()
    (file,) = (folder / ".unlabelled" / "word2vec").iterdir()
    return Cache(file, use)


def decoded(folder: Path) -> Cache:
    path = str(shutil.copy(_clip(folder.parent), folder / "a.mp4"))
    reader = CachedReader(PyAVReader(), 32, 8000)

    def use() -> Any:
        decoded_copy._header.cache_clear()
        return reader.frames(path, 0.5, 0.2, 2).sum(), reader.waveform(path, 0.5, 0.2, 8000).sum()

    use()
    (file,) = (folder / ".unlabelled" / "decoded").iterdir()
    return Cache(file, use)


def _clip(folder: Path) -> Path:
    path = folder / "clip.mp4"
    return path if path.is_file() else Path(write(Kind("mp4", duration=1.0), folder))


def cut(file: Path, trace: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def changed(file: Path, trace: Path) -> None:
    content = bytearray(file.read_bytes())
    for place in range(20, len(content), max(1, len(content) // 50)):
        content[place] ^= 4
    file.write_bytes(content)


def empty(file: Path, trace: Path) -> None:
    file.write_bytes(b"")


def pickled(file: Path, trace: Path) -> None:
    file.write_bytes(pickle.dumps(Attack(trace)))


def a_pipe(file: Path, trace: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def a_link(file: Path, trace: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/hostname")


def of_another_version(file: Path, trace: Path) -> None:
    content = file.read_bytes()
    other = content.replace(b'"version": ', b'"version":9')
    file.write_bytes(content[1:] if other == content else other)


FORGERIES = (cut, changed, empty, pickled, a_pipe, a_link, of_another_version)


@pytest.mark.parametrize("make", [verdicts, channels, clips, words, decoded])
def test_a_forged_cache_is_made_again(make: Callable[[Path], Cache], tmp_path: Path) -> None:
    for number, forge in enumerate(FORGERIES):
        folder = tmp_path / str(number)
        folder.mkdir()
        cache, trace = make(folder), folder / "executed"
        honest = cache.use()
        forge(cache.file, trace)
        found = cache.use()
        if make is verdicts:
            assert found == {str(folder / "a.mp4"): "a.mp4"}, forge  # to be checked
        else:
            assert found == honest, forge
            assert cache.use() == honest, forge
        assert not trace.exists()


@pytest.mark.parametrize(
    "values",
    [[], "text", [1, 2, 3.0], [1, 2, float("nan"), None], [1, 2, float("inf"), None], [1, 2, -1.0, None],
     [1, 2, 1.0, None, "late"], [1, 2, 1.0, 7], [1, 2, 1.0, None, 0.0, "", "", ""], {"size": 1}, None],
)  # fmt: skip
def test_a_verdict_with_its_checksum_but_impossible_values_is_not_believed(
    values: Any, tmp_path: Path
) -> None:
    cache = verdicts(tmp_path)
    state = read_sealed(str(cache.file))["files"]["a.mp4"][:2]
    if isinstance(values, list) and len(values) > 2:
        values = [*state, *values[2:]]
    for content in ({"files": {"a.mp4": values}}, {"files": values}, {}):
        write_sealed(str(cache.file), content)
        assert cache.use() == {str(tmp_path / "a.mp4"): "a.mp4"}
    text = "[" * 100_000
    cache.file.write_text(f"{'0' * 16}\n{text}")
    assert cache.use() == {str(tmp_path / "a.mp4"): "a.mp4"}


def test_verdicts_of_another_split_or_version_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = verdicts(tmp_path)
    other = ProbeResults(str(tmp_path), "val", ["key"], ["a.mp4"])
    shutil.copy(cache.file, other.file)
    assert ProbeResults(str(tmp_path), "val", ["key"], ["a.mp4"]).stale()
    monkeypatch.setattr(probe_results, "_VERSION", 0)
    later = ProbeResults(str(tmp_path), "train", ["key"], ["a.mp4"])
    assert later.stale()
    shutil.copy(cache.file, later.file)
    assert ProbeResults(str(tmp_path), "train", ["key"], ["a.mp4"]).stale()


def test_statistics_of_other_files_are_not_believed(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    cache = channels(tmp_path / "set")
    mean = cache.use().mean
    write_sealed(str(cache.file), {"mean": [float("nan")] * 3, "std": [1.0] * 3, "files": 1, "left_out": 0})
    assert cache.use().mean == mean
    os.utime(tmp_path / "set" / "a.mp4", ns=(1, 1))
    cache.use()
    assert len(list(cache.file.parent.iterdir())) == 2


def test_clips_with_their_checksums_but_other_content_are_written_again(tmp_path: Path) -> None:
    cache = clips(tmp_path)
    honest = cache.use()
    arrays, facts = map_arrays(str(cache.file))
    write_arrays(str(cache.file), {**arrays, "label": arrays["label"][::-1]}, facts)
    assert cache.use() == honest
    write_arrays(str(cache.file), arrays, {**facts, "fingerprint": "that of other clips"})
    assert cache.use() == honest


def test_words_of_another_file_are_indexed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, other = words(tmp_path), tmp_path / "other"
    other.mkdir()
    honest = cache.use()
    write_word2vec(str(other / "words.bin"), ["onion", "cut"], np.ones((2, 3)))
    WordVectors(str(other / "words.bin")).open()
    (file,) = (other / ".unlabelled" / "word2vec").iterdir()
    shutil.copy(file, cache.file)
    assert cache.use() == honest
    assert f"the words of {tmp_path / 'words.bin'} are indexed again" in caplog.text
    assert word_vectors.WordVectors(str(other / "words.bin")).encode("cut", 1).tokens.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff\xfe", b"[" * 100_000, b"nul", b'{"a": 1'])
def test_a_record_that_is_no_object_is_written_again(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    assert read_record(file) is None
    file.write_bytes(content)
    assert read_record(file) is None
    assert read_record(tmp_path) is None
    file.write_text('{"a": 1}')
    assert read_record(file) == {"a": 1}
