from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import cli
from callbacks.training import time_left
from tests._helpers.small_page import write_file
from unlabelled.__main__ import run_tool
from unlabelled.commands.discover import progress
from unlabelled.commands.discover.progress import DEADLINE
from unlabelled.commands.discover.speed import Speed
from unlabelled.commands.discover.weights import clustered

CALLS: list[str] = []
PARTS = ("null", "\N{HEBREW LETTER ALEF} 'x' #1")


def in_process(name: str, options: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run ``cli.py`` in this process, for two steps."""
    CALLS.append(name)
    short = ["--trainer.max_steps=2"] if name == "fit" else []
    return cli.main([name, *options, *short, "--trainer.enable_progress_bar=false"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a folder of audio files, with names that are hard to pass on, and replace what takes long."""
    CALLS.clear()
    monkeypatch.setattr(progress, "run_cli", in_process)
    command = sys.modules["unlabelled.commands.discover.main"]  # the package has the function of this name
    monkeypatch.setattr(command, "measure", lambda kind: Speed(0.01, 0.001))
    files = tmp_path / 'it\'s \N{CAT FACE} <b>, [1] {a: "b"} 50% $HOME'
    for number in range(12):
        (files / PARTS[number % 2]).mkdir(parents=True, exist_ok=True)
        write_file(files / PARTS[number % 2] / f"{number}.wav", 20 * number)
    (files / "empty.wav").touch()
    (files / "zz.wav").symlink_to(files / PARTS[0] / "0.wav")
    (tmp_path / "outside.wav").write_bytes((files / PARTS[0] / "0.wav").read_bytes())
    (files / "link.wav").symlink_to(tmp_path / "outside.wav")
    return files


def test_a_folder_becomes_a_page_and_a_repeated_call_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["discover", str(folder), f"--out={out}", "--clusters=3"]
    assert run_tool(arguments, "unlabelled") == 2
    assert "link.wav is a link to" in capsys.readouterr().err
    (folder / "link.wav").unlink()
    assert run_tool(arguments, "unlabelled") == 0
    assert CALLS == ["fit", "predict"]
    text = capsys.readouterr().out
    assert "12 audio files" in text
    assert "sela_audio, 3 clusters" in text
    with (out / "clusters.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    names = {f"{PARTS[number % 2]}/{number}.wav" for number in range(1, 12)}
    assert {line["path"] for line in lines} == names | {"zz.wav"}  # of a file and a link to it one is used
    assert len(np.load(out / "features.npy")) == 12
    assert (out / "index.html").is_file()
    labels = tmp_path / "labels.csv"
    labels.write_text(f"path,label\n{PARTS[0]}/2.wav,low\n{PARTS[1]}/11.wav,high\n")
    assert run_tool([*arguments, f"--labels={labels}", "--minutes=0.1"], "unlabelled") == 0
    assert CALLS == ["fit", "predict"]
    assert (out / "propagated.csv").is_file()


def test_a_failed_command_is_repeated_and_a_resumed_training_is_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fails(name: str, options: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        assert name != "fit" or 0 < float((environment or {})[DEADLINE]) - time.time() < 3600
        asked.append((name, "--ckpt_path=last" in options))
        return 1

    monkeypatch.setattr(progress, "run_cli", fails)
    arguments = ["discover", str(folder), f"--out={tmp_path / 'out'}", "--allow-outside"]
    assert run_tool(arguments, "unlabelled") == 1
    assert run_tool(arguments, "unlabelled") == 1
    assert run_tool([*arguments, "--clusters=4"], "unlabelled") == 1
    assert asked == [("fit", False), ("fit", True), ("fit", False)]


def test_the_deadline_has_one_name() -> None:
    assert time_left.DEADLINE == DEADLINE


def test_unusable_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(["discover", str(tmp_path / "missing")], "unlabelled") == 2
    assert capsys.readouterr().err.startswith("error: there is no folder")


def test_features_of_a_checkpoint_are_clustered(tmp_path: Path) -> None:
    names = [f"{row}.wav" for row in range(20)]
    features = np.repeat(np.eye(2, dtype=np.float32), 10, 0)
    features[3] = np.nan
    np.save(tmp_path / "features_audio.npy", features)
    np.save(tmp_path / "seconds.npy", np.array([(row, row + 1.0) for row in range(20)]))
    (tmp_path / "paths.txt").write_text("".join(f"{name}\n" for name in names))
    samples, found = clustered(Path("d"), tmp_path, 2, seed=0)
    assert samples.names == [name for row, name in enumerate(names) if row != 3]
    assert (samples.clusters[:9] == samples.clusters[0]).all()
    assert (samples.clusters[9:] != samples.clusters[0]).all()
    assert samples.starts[3] == 4
    np.testing.assert_allclose(samples.confidences, 1)
    assert len(found["audio"]) == 19
