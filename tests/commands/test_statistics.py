"""Statistics of the colours of a data set: right, computed once, and options of a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests._helpers.parsing import DEMO, ROOT, parse
from unlabelled.commands.statistics import main
from unlabelled.data.media import channel_statistics as module
from unlabelled.data.media.channel_statistics import channel_statistics
from unlabelled.data.media.pyav_reader import PyAVReader


@pytest.fixture
def folder(tiny_root: Path, tmp_path: Path) -> Path:
    for path in sorted(tiny_root.rglob("*.mp4"))[:3]:
        shutil.copy(path, tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"rotten")
    return tmp_path


def test_statistics_are_those_of_all_pixels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = channel_statistics(str(folder), num_workers=2)
    reader, pixels = PyAVReader(), []
    for path in sorted(map(str, folder.glob("*.mp4"))):
        if "broken" not in path:
            frame = reader.frames(path, reader.info(path).duration / 2, 1.0, 1, 128)[0]
            pixels.append(frame.reshape(-1, 3) / 255)
    np.testing.assert_allclose(found.mean, np.concatenate(pixels).mean(0))
    np.testing.assert_allclose(found.std, np.concatenate(pixels).std(0))
    assert (found.files, found.left_out) == (3, 1)
    monkeypatch.setattr(module, "_measure", None)  # it is not computed again
    assert channel_statistics(str(folder)) == found


def test_fewer_files_are_drawn(folder: Path) -> None:
    found = channel_statistics(str(folder), num_files=2)
    assert found.files + found.left_out == 2


def test_the_command_prints_options_of_a_run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main([str(folder)]) == 0
    output = capsys.readouterr()
    assert "of a frame of 3 files; 1 have none that can be read" in output.err
    monkeypatch.chdir(ROOT)
    pipeline = parse("fit", "--config", DEMO, *output.out.split()).data.init_args.pipeline.init_args
    expected = channel_statistics(str(folder))
    np.testing.assert_allclose(pipeline.mean, expected.mean, atol=1e-4)
    np.testing.assert_allclose(pipeline.std, expected.std, atol=1e-4)


def test_a_folder_without_videos_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "none of 0 media files" in capsys.readouterr().err
    assert main([str(tmp_path / "none")]) == 1
    assert "there is no folder" in capsys.readouterr().err
