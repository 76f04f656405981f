"""A sweep runs each cell once, with checkpoints of its own, and reports failures; ``cli.py`` is replaced."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch.utils.tensorboard import SummaryWriter

from unlabelled.commands.sweep import main
from unlabelled.commands.sweep.plan import read_sweep

SWEEP = {
    "title": "Something",
    "base": ["--config=configs/demo/selavi.yaml"],
    "rows": {"low": ["--x=1"], "high": ["--x=2"]},
    "columns": {"first": ["--config=configs/data/embedded.yaml"], "second": ["--y=2"]},
    "seeds": [1, 2],
    "checkpoint": "best",
    "scores": ["nmi"],
}


class Commands:
    """A replacement of processes: it records them and logs a score for a test, unless a row is broken."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.broken = ""
        self._run = subprocess.run

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "cli.py" not in command:
            return self._run(command, **options)
        self.calls.append(list(command))
        failed = self.broken != "" and self.broken in command
        if command[2] == "test" and not failed:
            root, run = (
                c.partition("=")[2] for c in command if c.startswith(("--trainer.default", "--run="))
            )
            x, seed = (int(c[-1]) for c in command if c.startswith(("--x=", "--seed_everything=")))
            with SummaryWriter(f"{root}/{run}/test") as writer:
                writer.add_scalar("test/nmi", x / 10 + seed / 100)
        return subprocess.CompletedProcess(command, int(failed))


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    replacement = Commands()
    monkeypatch.setattr(subprocess, "run", replacement.run)
    return replacement


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(SWEEP, sort_keys=False))
    return path


def test_each_cell_is_run_once(
    commands: Commands, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert main([str(file), "--out", out]) == 0
    assert len(commands.calls) == 2 * 2 * 2 * 2
    table = capsys.readouterr().out
    assert "| low | 0.115 ± 0.007 | 0.115 ± 0.007 | 0.115 | 0.115 |" in table
    assert "| high | 0.215 ± 0.007 |" in table
    commands.calls.clear()
    assert main([str(file), "--out", out]) == 0
    assert commands.calls == []
    file.write_text(yaml.safe_dump({**SWEEP, "rows": {"low": ["--x=1"], "high": ["--x=3"]}}, sort_keys=False))
    assert main([str(file), "--out", out, "--columns", "second"]) == 0
    assert len(commands.calls) == 4  # the changed row, in one column


def test_options_are_laid_over_one_another_and_checkpoints_are_apart(
    commands: Commands, file: Path, tmp_path: Path
) -> None:
    arguments = ["--rows", "high", "--columns", "first", "--jobs", "1"]
    assert main([str(file), "--out", str(tmp_path / "out"), *arguments]) == 0
    fit, test = commands.calls[0][3:], next(c for c in commands.calls if c[2] == "test")
    folder = tmp_path / "out" / "high" / "first" / "seed1"
    assert fit == [
        "--config=configs/demo/selavi.yaml",
        "--config=configs/data/embedded.yaml",
        "--x=2",
        "--seed_everything=1",
        f"--trainer.default_root_dir={folder.parent}",
        "--run=seed1",
    ]
    assert f"--ckpt_path={folder}/checkpoints/best.ckpt" in test


def test_a_failed_run_is_named_and_the_others_run(
    commands: Commands, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.broken = "--x=1"
    assert main([str(file), "--out", str(tmp_path / "out")]) == 1
    output = capsys.readouterr().out
    assert output.count("low, first, seed 1: failed") == 1
    assert "| low |  |  |  |  |" in output
    assert "| high | 0.215" in output
    commands.broken = ""
    commands.calls.clear()
    assert main([str(file), "--out", str(tmp_path / "out")]) == 0
    assert len(commands.calls) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": {}}, "unknown key 'row'"),
        ({"base": ["--config", "x"]}, "'x' must be an option of one word"),
        ({"base": ["--config=no.yaml"]}, "no.yaml"),
    ],
)
def test_wrong_files(
    file: Path, change: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(yaml.safe_dump({**SWEEP, **change}))
    assert main([str(file)]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_of_all_checkpoints_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = tmp_path / "one.yaml"
    one.write_text("trainer: {callbacks: {class_path: ModelCheckpoint, init_args: {dirpath: runs/one}}}")
    file.write_text(yaml.safe_dump({**SWEEP, "base": [f"--config={one}"]}))
    assert main([str(file)]) == 2
    assert "one.yaml has a dirpath, into which all runs would write" in capsys.readouterr().err


def test_unknown_row(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--rows", "middle"]) == 2
    assert "there is no 'middle' among low, high" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(Path("configs/sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_sweeps(path: Path) -> None:
    sweep = read_sweep(path)
    for cell in sweep.cells():
        assert len(cell.fingerprint) > 8  # the files that it names exist
