"""``cli.py doctor`` distinguishes working from broken decoders by the frames and audio that they return."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from tests._helpers import media_files as media
from tests._helpers.media_matrix import Kind, write
from tests.conftest import ROOT
from unlabelled.commands import doctor
from unlabelled.data.media import backends
from unlabelled.data.media.pyav_reader import PyAVReader


def outcome(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Run the doctor; return the exit code, and ok or FAILED by the name of the check."""
    code = doctor.main([])
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    return code, {rest.split(":")[0]: word for word, rest in (each for each in lines if len(each) == 2)}


def test_a_working_installation_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    for name in ("torch", "lightning", "devices", "PyAVReader", "DecordReader", "decord"):
        assert f"\n  ok      {name}: " in out
    assert "FAILED" not in out
    assert out.endswith("\nready\n")


@pytest.mark.parametrize("method", ["frames", "waveform"])
def test_a_decoder_with_wrong_output_fails(
    method: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = getattr(PyAVReader, method)

    def wrong(self: PyAVReader, *args: Any) -> Any:
        return np.flip(right(self, *args), axis=0)

    monkeypatch.setattr(PyAVReader, method, wrong)
    code, found = outcome(capsys)
    assert code == 1
    assert found["PyAVReader"] == "FAILED"
    assert found["decord"] == ("FAILED" if method == "frames" else "ok")  # it is compared with PyAV


@pytest.fixture
def _no_decord(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "decord", None)
    backends.import_backend.cache_clear()
    yield
    backends.import_backend.cache_clear()


def test_each_decoder_is_counted_on_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    media.write_clip(tmp_path / "plain.mp4", duration=2)
    write(Kind("mkv", "mpeg1video", "mp2", bframes=2, duration=3.0), tmp_path)
    media.write_clip(tmp_path / "turned.mp4", duration=2, rotation=90)
    assert doctor.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "\n  usable: 3 of 3, all of them by PyAVReader\n" in out
    assert "\n  frames by decord: 1\n  frames by PyAV: 2\n" in out
    assert "\n    decord: Check failed: from_size == to_size" in out
    assert "\n      turned.mp4\n" in out
    assert "\n    decord: other frames: 1\n      clip.mkv\n" in out


@pytest.mark.usefixtures("_no_decord")
def test_decord_may_be_absent(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = outcome(capsys)
    assert code == 0
    assert found["decord"] == "FAILED"
    assert found["DecordReader"] == "ok"


def test_a_package_that_cannot_be_imported_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert doctor.main([]) == 1
    out = capsys.readouterr().out
    assert "  FAILED  torchvision: ModuleNotFoundError" in out
    assert "-> install the versions of requirements.txt again" in out
    assert out.endswith("\nnot ready: torchvision\n")


def test_without_pyav_there_is_still_a_report() -> None:
    script = "import sys; sys.modules['av'] = None; from unlabelled.commands import doctor; doctor.main()"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert "  FAILED  PyAV writes: ModuleNotFoundError" in result.stdout
    assert "\nnot ready: PyAV writes" in result.stdout


def test_the_clip_is_checked(tmp_path: Path) -> None:
    path = str(tmp_path / "clip.mp4")
    doctor.write_clip(path)
    times, frames = PyAVReader().all_frames(path)
    assert len(times) == doctor.SECONDS * doctor.FPS
    doctor.check_frames(frames)
    with pytest.raises(ValueError, match="wrong frames"):
        doctor.check_frames(np.roll(frames, 1, axis=0))
    with pytest.raises(ValueError, match="wrong frames"):
        doctor.check_frames(frames[:-1])
    with pytest.raises(ValueError, match="wrong audio"):
        doctor.check_audio(np.zeros(2 * doctor.SAMPLE_RATE, np.float32))
