"""The index: what is usable, why the rest is not, and what is remembered."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests._helpers import media_files as media
from unlabelled.data.media import index as index_module
from unlabelled.data.media import probe_pool
from unlabelled.data.media.entries import Entries
from unlabelled.data.media.index import ClipIndex, EmptyIndexError, Entry, Requirements, build_index
from unlabelled.data.media.probe import REASONS, Probe, probe

BOTH = Requirements(min_duration=1.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of every kind."""
    root = tmp_path_factory.mktemp("data")
    media.write_clip(root / "good" / "a.mp4", duration=2)
    media.write_clip(root / "good" / "b.mkv", duration=1.5, size=(97, 65), layout="5.1", sample_rate=48000)
    media.empty(root / "empty.mp4")
    media.garbage(root / "garbage.mp4")
    media.web_page(root / "page.mp4")
    media.truncate(media.write_clip(root / "half.mp4", duration=8))
    media.truncate(media.write_clip(root / "half.mkv", duration=8))
    media.truncate(media.write_clip(root / "half_late_index.mp4", duration=8, faststart=False))
    media.truncate(media.write_clip(root / "most.mp4", duration=8), 0.9)
    media.write_clip(root / "silent.mp4", duration=2, layout=None)
    media.write_clip(root / "blind.mp4", duration=2, size=None)
    media.write_clip(root / "short.mp4", duration=0.5)
    media.write_clip(root / "short_sound.mp4", duration=2, audio_duration=0.5)
    media.rot(media.write_clip(root / "rotten.mp4", duration=8), 0.4, 0.99)
    source = media.write_clip(root / "long.mp4", duration=8, gop=250)
    media.stream_copy_cut(source, root / "cut.mp4", 3.3, 4.0)
    return root


# With video and audio of one second required; with video only; with audio only.
EXPECTED = {
    "good/a.mp4": (None, None, None),
    "good/b.mkv": (None, None, None),
    "cut.mp4": (None, None, None),
    "missing.mp4": ("missing",) * 3,
    "empty.mp4": ("empty file",) * 3,
    "garbage.mp4": ("not a media file",) * 3,
    "page.mp4": ("not a media file",) * 3,
    "half.mp4": ("truncated",) * 3,
    "half.mkv": ("truncated",) * 3,
    "half_late_index.mp4": ("truncated",) * 3,
    "most.mp4": ("truncated",) * 3,
    "silent.mp4": ("no audio stream", None, "no audio stream"),
    "blind.mp4": ("no video stream", "no video stream", None),
    "short.mp4": ("too short",) * 3,
    "short_sound.mp4": ("too short", None, "too short"),
    "rotten.mp4": ("undecodable",) * 3,
}
ENTRIES = [Entry(path, label) for label, path in enumerate(EXPECTED)]


def reasons(index: ClipIndex) -> dict[str, str | None]:
    return {entry.path: None for entry in index.entries} | dict(index.left_out)


@pytest.mark.parametrize("path", EXPECTED)
def test_probe(path: str, root: Path) -> None:
    full = str(root / path)
    found = [probe(full, *needs, 1.0) for needs in ((True, True), (True, False), (False, True))]
    assert tuple(result.reason for result in found) == EXPECTED[path]
    assert all(result.reason in (None, *REASONS) for result in found)


@pytest.mark.parametrize(
    ("path", "seconds"),
    [("good/a.mp4", 2.0), ("good/b.mkv", 1.5), ("short.mp4", 0.5), ("short_sound.mp4", 0.5)],
)
def test_probe_measures_what_all_needed_streams_cover(path: str, seconds: float, root: Path) -> None:
    assert probe(str(root / path), True, True, 0.0).duration == pytest.approx(seconds, abs=0.03)


def test_minimum_duration_has_a_slack_of_a_frame_or_so(root: Path) -> None:
    path = str(root / "good" / "a.mp4")
    assert probe(path, True, True, 2.04) == Probe(2.0, None)
    assert probe(path, True, True, 2.06) == Probe(2.0, "too short")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_index_keeps_the_order_and_names_every_reason(num_workers: int, root: Path, tmp_path: Path) -> None:
    copy = _mirror(root, tmp_path)
    index = build_index(str(copy), "train", ENTRIES, BOTH, num_workers, progress=False)
    assert reasons(index) == {path: expected[0] for path, expected in EXPECTED.items()}
    assert index.entries == ENTRIES[:3]
    assert index.durations.tolist() == pytest.approx([2.0, 1.5, 4.0], abs=0.03)
    assert (index.listed, len(index), index.root, index.split) == (16, 3, str(copy), "train")


def _mirror(root: Path, folder: Path) -> Path:
    copy = folder / "mirror"
    for file in root.rglob("*.m*"):
        target = copy / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, target)
    return copy


def test_summary() -> None:
    left_out = {f"{letter}.mp4": "truncated" for letter in "abcdefg"} | {"x.mp4": "no audio stream"}
    index = ClipIndex(
        "/data", "train", Entries([Entry("k.mp4", 0)] * 392), np.ones(392), left_out, 400, "/data/index.json"
    )
    assert index.summary() == (
        "train: 392 of 400 clips usable; left out 8: "
        "truncated 7 (a.mp4, b.mp4, c.mp4, d.mp4, e.mp4, … and 2 more), no audio stream 1 (x.mp4); "
        "full list in /data/index.json"
    )
    one = ClipIndex("/data", "val", Entries([Entry("k.mp4", 0)]), np.ones(1), {}, 1)
    assert one.summary() == "val: 1 of 1 clips usable"


def test_fingerprint_follows_paths_labels_and_order() -> None:
    def fingerprint(*entries: Entry) -> str:
        return ClipIndex("/data", "train", Entries(entries), np.ones(len(entries)), {}, 9).fingerprint

    a, b = Entry("a.mp4", 0), Entry("b.mp4", 1)
    assert fingerprint(a, b) == fingerprint(Entry("a.mp4", 0), b)
    assert len({fingerprint(a, b), fingerprint(b, a), fingerprint(a), fingerprint(a, Entry("b.mp4", 0))}) == 4


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that get probed."""
    names: list[str] = []

    def spy(paths: dict[str, str], *needs: Any, **options: Any) -> Iterator[tuple[str, Probe]]:
        names.extend(os.path.basename(path) for path in paths)
        return probe_pool.probe_many(paths, *needs, **options)

    monkeypatch.setattr(index_module, "probe_many", spy)
    return names


def test_only_new_and_changed_files_are_probed_again(tmp_path: Path, probed: list[str]) -> None:
    for name in "ab":
        media.write_clip(tmp_path / f"{name}.mp4")
    entries = [Entry(f"{name}.mp4", 0) for name in "abc"]

    def build() -> dict[str, str | None]:
        probed.clear()
        return reasons(build_index(str(tmp_path), "train", entries, BOTH, 0, progress=False))

    assert build() == {"a.mp4": None, "b.mp4": None, "c.mp4": "missing"}
    assert probed == ["a.mp4", "b.mp4"]
    build()
    assert probed == []
    media.write_clip(tmp_path / "c.mp4")
    media.truncate(str(tmp_path / "a.mp4"))
    assert build() == {"a.mp4": "truncated", "b.mp4": None, "c.mp4": None}
    assert probed == ["a.mp4", "c.mp4"]
    (tmp_path / "b.mp4").unlink()
    assert build()["b.mp4"] == "missing"
    assert probed == []


def test_other_requirements_are_remembered_separately(tmp_path: Path, probed: list[str]) -> None:
    media.write_clip(tmp_path / "a.mp4")
    for requirements in (BOTH, Requirements(audio=False)):
        build_index(str(tmp_path), "train", [Entry("a.mp4", 0)], requirements, 0, progress=False)
    assert probed == ["a.mp4", "a.mp4"]


def test_verdicts_are_stored_beside_the_data_in_full(tmp_path: Path) -> None:
    media.write_clip(tmp_path / "a.mp4")
    media.empty(tmp_path / "b.mp4")
    index = build_index(
        str(tmp_path), "my/train", [Entry("a.mp4", 0), Entry("b.mp4", 0)], BOTH, 0, progress=False
    )
    (file,) = (tmp_path / ".unlabelled").iterdir()
    assert index.cache_file == str(file)
    assert file.name.startswith("index-my_train-")
    files = json.loads(file.read_text().partition("\n")[2])["files"]
    status = (tmp_path / "a.mp4").stat()
    assert files["a.mp4"] == [status.st_size, status.st_mtime_ns, 1.0, None]
    assert files["b.mp4"][3] == "empty file"


@pytest.mark.parametrize("old", ["1.0, null", "null", '"a.mp4"', "files", "["])
def test_changed_verdicts_are_not_believed(
    old: str, tmp_path: Path, probed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    media.write_clip(tmp_path / "a.mp4")
    media.truncate(media.write_clip(tmp_path / "b.mp4"))
    entries = [Entry("a.mp4", 0), Entry("b.mp4", 0)]
    expected = build_index(str(tmp_path), "train", entries, BOTH, 0, progress=False)
    file = Path(expected.cache_file)
    text = re.sub(r"\s*\n\s*", " ", file.read_text())
    file.write_text(text.replace(old, "9.0, null" if old[0] == "1" else "", 1))
    probed.clear()
    again = build_index(str(tmp_path), "train", entries, BOTH, 0, progress=False)
    assert (again.entries, again.left_out) == (expected.entries, expected.left_out)
    assert np.array_equal(again.durations, expected.durations)
    assert probed == ["a.mp4", "b.mp4"]
    assert "the checksum of" in caplog.text


def test_a_broken_or_unwritable_store_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, probed: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "data"
    media.write_clip(root / "a.mp4")
    (root / ".unlabelled").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    entries = [Entry("a.mp4", 0)]
    index = build_index(str(root), "train", entries, BOTH, 0, progress=False)
    assert index.cache_file.startswith(str(tmp_path / "cache" / "unlabelled"))
    Path(index.cache_file).write_text('{"files": [')
    assert len(build_index(str(root), "train", entries, BOTH, 0, progress=False)) == 1
    assert probed == ["a.mp4", "a.mp4"]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(build_index(str(root), "train", entries, BOTH, 0, progress=False)) == 1
    assert "repeated every time" in caplog.text


def test_the_error_without_usable_files_names_a_remedy(root: Path, tmp_path: Path) -> None:
    media.empty(tmp_path / "a.mp4")
    media.write_clip(tmp_path / "b.mp4", layout=None)
    with pytest.raises(EmptyIndexError) as found:
        build_index(str(tmp_path), "train", [Entry("a.mp4", 0), Entry("b.mp4", 0)], BOTH, 0, progress=False)
    assert str(found.value).startswith(
        f"no usable clip in split 'train' of {tmp_path}: 2 listed, which must have video and audio "
        "and last 1 s, but empty file 1 (a.mp4), no audio stream 1 (b.mp4); "
    )
    with pytest.raises(EmptyIndexError, match="check that the root is the folder"):
        build_index(str(tmp_path), "train", [Entry("x/a.mp4", 0)], BOTH, 0, progress=False)
    with pytest.raises(EmptyIndexError, match="its list is empty"):
        build_index(str(tmp_path), "train", [], BOTH, progress=False)
    with pytest.raises(EmptyIndexError, match="there is no such folder"):
        build_index(str(tmp_path / "nowhere"), "train", [Entry("a.mp4", 0)], BOTH)
    assert not (tmp_path / "nowhere").exists()


def _build_in_a_process(root: str, answers: multiprocessing.Queue[str]) -> None:
    index = build_index(root, "train", ENTRIES, BOTH, num_workers=0, progress=False)
    answers.put(index.fingerprint)


def test_several_processes_may_build_the_same_index_at_once(root: Path, tmp_path: Path) -> None:
    copy = _mirror(root, tmp_path)
    context = multiprocessing.get_context("fork")
    answers: multiprocessing.Queue[str] = context.Queue()
    ranks = [context.Process(target=_build_in_a_process, args=(str(copy), answers)) for _ in range(4)]
    for rank in ranks:
        rank.start()
    fingerprints = {answers.get(timeout=30) for _ in ranks}
    for rank in ranks:
        rank.join(timeout=30)
    assert fingerprints == {build_index(str(copy), "train", ENTRIES, BOTH, 0, progress=False).fingerprint}
    assert len(list((copy / ".unlabelled").iterdir())) == 1


# A stand-in for native code that crashes or never returns, by the name of the file.
_UNRELIABLE = """
import json, os, sys, time
print("ready", flush=True)
for line in sys.stdin:
    path = json.loads(line)
    if "crash" in path: os.abort()
    if "hang" in path: time.sleep(60)
    print(json.dumps([1.5, None]), flush=True)
"""


def test_files_that_crash_or_hang_a_decoder_cost_only_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def unreliable(command: list[str], **options: Any) -> object:
        return start([sys.executable, "-c", _UNRELIABLE], **options)

    monkeypatch.setattr(subprocess, "Popen", unreliable)
    paths = ["a", "crash", "b", "hang", "c", "crash too", "d"]
    found = dict(probe_pool.probe_many(paths, True, True, 1.0, num_workers=2, timeout=0.5))
    bad = {"crash", "hang", "crash too"}
    ended = Probe(0.0, "undecodable", detail="it crashes its decoder, or decoding does not end")
    assert found == {path: ended if path in bad else Probe(1.5, None) for path in paths}


def test_workers_that_cannot_start_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def broken(command: list[str], **options: Any) -> object:
        return start([sys.executable, "-c", "raise SystemExit('no such module')"], **options)

    monkeypatch.setattr(subprocess, "Popen", broken)
    with pytest.raises(RuntimeError, match="cannot start a process that probes files: no such module"):
        list(probe_pool.probe_many(["a"], True, True, 1.0, num_workers=1))


def test_workers_agree_with_this_process_whatever_the_name(root: Path, tmp_path: Path) -> None:
    odd = media.write_clip(tmp_path / "naïve clip\n№ 1.mp4")
    paths = [odd, *(str(root / path) for path in EXPECTED)]
    found = dict(probe_pool.probe_many(paths, True, True, 1.0, num_workers=2))
    assert found == {path: probe(path, True, True, 1.0) for path in paths}
