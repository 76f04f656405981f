"""Verdicts: readable files are usable, whatever their header states about their end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests._helpers import media_files as media
from tests._helpers.media_matrix import Kind, noise, write
from unlabelled.commands.check_media import main
from unlabelled.data.media.files import AUDIO_SUFFIXES, IMAGE_SUFFIXES, MEDIA_SUFFIXES
from unlabelled.data.media.index import Entry, Requirements, build_index
from unlabelled.data.media.probe import probe
from unlabelled.data.media.pyav_reader import PyAVReader


def _without_xing(path: str) -> str:
    """Remove the first frame of an MP3 file, which has the length of the whole."""
    content = Path(path).read_bytes()
    header = content.index(b"Xing") if b"Xing" in content else content.index(b"Info")
    following = content.index(content[content.rindex(b"\xff\xfb", 0, header) :][:2], header)
    Path(path).write_bytes(content[following:])
    return path


def test_an_mp3_file_without_its_length_is_measured(tmp_path: Path) -> None:
    loud = write(Kind("mp3", "", "libmp3lame", duration=12.0), tmp_path)
    kept = _without_xing(loud)
    found = probe(kept, False, True, 1.0)
    assert found.reason is None
    assert found.duration == pytest.approx(12.0, abs=0.1)
    half = media.truncate(kept)
    found = probe(half, False, True, 1.0)
    assert found.reason is None
    assert found.duration == pytest.approx(6.0, abs=0.3)
    assert np.abs(PyAVReader().waveform(half, 2.0, 1.0, 16000)).max() > 0.1
    assert len(PyAVReader().waveform(half, 5.0, 3.0, 16000)) == 48000


def test_an_mp3_file_with_its_length_may_be_truncated(tmp_path: Path) -> None:
    half = media.truncate(write(Kind("mp3", "", "libmp3lame", duration=12.0), tmp_path))
    found = probe(half, False, True, 1.0)
    assert found.reason == "truncated"
    assert found.detail.startswith("its audio stops at 5.") or found.detail.startswith(
        "its audio stops at 6."
    )
    assert found.detail.endswith("s of 12.02 s") or " s of 12.0" in found.detail


def test_half_a_transport_stream_is_what_there_is(tmp_path: Path) -> None:
    for kind in (
        Kind("ts", gop=1000, audio="ac3", duration=4.0),
        Kind("mpg", "mpeg2video", "mp2", bframes=2, duration=4.0),
    ):
        half = media.truncate(write(kind, tmp_path))
        found = probe(half, True, True, 1.0)
        assert found.reason is None
        assert 1.2 < found.duration < 3.0


def test_a_truncated_file_states_by_how_much(tmp_path: Path) -> None:
    media.truncate(media.write_clip(tmp_path / "half.mkv", duration=8))
    media.write_clip(tmp_path / "good.mkv", duration=2)
    entries = [Entry("half.mkv", 0), Entry("good.mkv", 0)]
    index = build_index(str(tmp_path), "train", entries, Requirements(), 0, progress=False)
    assert index.left_out == {"half.mkv": "truncated"}
    assert "truncated 1 (half.mkv: its video stops at " in index.summary()
    assert " s of 8.0" in index.summary()


def test_one_list_of_endings() -> None:
    assert {".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".3gp", ".ogv", ".vob", ".gif"} <= set(
        MEDIA_SUFFIXES
    )
    assert {".divx", ".dv", ".m2v", ".rm"} <= set(MEDIA_SUFFIXES)
    assert {".jfif", ".avif"} <= set(IMAGE_SUFFIXES)
    assert not set(MEDIA_SUFFIXES) & set(AUDIO_SUFFIXES)


def test_other_files_are_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(Kind("mpg", "mpeg2video", "mp2", bframes=2), tmp_path)
    write(Kind("mp3", "", "libmp3lame"), tmp_path)
    for name in ("notes.txt", "list.csv", ".hidden.txt"):
        (tmp_path / name).write_text("text")
    assert main([str(tmp_path), "--workers", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"1 of 1 files in {tmp_path} are usable")
    assert lines[-1].startswith("no videos (--no-video for audio files) by their endings, passed over: 3 (")
    assert lines[-1].endswith("(clip.mp3, list.csv, notes.txt)")
    assert main([str(tmp_path), "--workers", "0", "--no-video"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"2 of 2 files in {tmp_path} are usable")
    assert lines[-1] == "no media by their endings, passed over: 2 (list.csv, notes.txt)"


def test_noise_is_reproducible() -> None:
    np.testing.assert_array_equal(noise(Kind("wav")), noise(Kind("wav")))
