"""A sweep with protocols: its commands, published numbers, interrupted runs, further options, and SLURM."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch.utils.tensorboard import SummaryWriter

from unlabelled.commands.sweep import main

SWEEP: dict[str, Any] = {
    "title": "Something",
    "base": ["--config=configs/recipes/sce_imagenet100.yaml"],
    "rows": {"low": ["--x=1"], "high": ["--x=2"]},
    "columns": {"all": []},
    "seeds": [1],
    "checkpoint": "last",
    "protocols": {
        "linear": {"options": ["--config=configs/protocols/linear_imagenet100.yaml"], "checkpoint": "best"},
        "svm": {"options": ["--config=configs/protocols/svm_voc07.yaml"], "checkpoint": None},
    },
    "scores": ["linear/accuracy", "svm/map"],
    "percent": True,
    "published": {"linear/accuracy": {"low": {"all": 81.5, "mean": 81.6}}},
}


class Commands:
    """A replacement of processes, which logs a score for each test and fails at the steps in ``broken``."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.broken: set[str] = set()
        self._run = subprocess.run

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if "cli.py" not in command:
            return self._run(command, **options)
        self.calls.append(list(command)[2:])
        given = dict(option.partition("=")[::2] for option in command if option.startswith("--"))
        folder = Path(given["--trainer.default_root_dir"], given["--run"])
        step = f"{given['--run']} {command[2]}"
        if command[2] == "fit":  # also what fails has begun
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
            (folder / "checkpoints" / "last.ckpt").touch()
        if step in self.broken:
            return subprocess.CompletedProcess(command, 1)
        if command[2] == "test":
            with SummaryWriter(f"{folder}/test") as writer:
                writer.add_scalar("test/accuracy", 0.8125)
                writer.add_scalar("test/map", 0.5)
        return subprocess.CompletedProcess(command, 0)


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


def test_each_run_is_trained_once_and_evaluated_by_each_protocol(
    commands: Commands, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([str(file), "--out", str(out), "--rows", "low"]) == 0
    folder = out / "low" / "all" / "seed1"
    assert [call[0] for call in commands.calls] == ["fit", "fit", "test", "test"]
    trained, linear, tested, svm = commands.calls
    assert "--x=1" in trained
    assert "--x=1" not in linear
    encoders = f"--model.init_args.encoder_checkpoint={folder}/checkpoints/last.ckpt"
    assert encoders in linear
    assert encoders in tested
    assert encoders in svm
    assert f"--ckpt_path={folder}/linear/checkpoints/best.ckpt" in tested
    assert not any(option.startswith("--ckpt_path") for option in svm)
    text = capsys.readouterr().out
    assert "| | all | all, published | mean | mean, published | least |" in text
    assert "| low | 81.2 | 81.5 | 81.2 | 81.6 | 81.2 |" in text
    assert "| low | 50.0 | 50.0 | 50.0 |" in text
    assert "## linear/accuracy (%)" in text
    assert "## seconds\n" in text


def test_an_interrupted_run_goes_on(commands: Commands, file: Path, tmp_path: Path) -> None:
    arguments = [str(file), "--out", str(tmp_path / "out"), "--rows", "low"]
    commands.broken = {"linear fit"}
    assert main(arguments) == 1
    assert len(commands.calls) == 2
    commands.broken = set()
    commands.calls.clear()
    assert main(arguments) == 0
    assert [call[0] for call in commands.calls] == [
        "fit",
        "test",
        "test",
    ]  # the long training is not repeated
    checkpoint = tmp_path / "out" / "low" / "all" / "seed1" / "linear" / "checkpoints" / "last.ckpt"
    assert f"--ckpt_path={checkpoint}" in commands.calls[0]


def test_further_options_are_those_of_runs_or_of_a_protocol(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(file), "--out", str(tmp_path), "--dry-run", "--options"]
    assert main([*arguments, "--y=3", "svm:--data.init_args.root=my data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * 4
    assert all(line.startswith("python cli.py ") for line in lines)
    assert ["--y=3" in line for line in lines] == [True, False, False, False] * 2
    assert ["root=my data" in line for line in lines] == [False, False, False, True] * 2
    assert main([*arguments, "knn:--y=3"]) == 2
    assert "must be --key=value, or linear:--key=value, or svm:--key=value" in capsys.readouterr().err


SBATCH = """#!/bin/sh
echo "$@" >> {folder}/calls
case "$*" in
  *bad*) echo "invalid partition" >&2; exit 1 ;;
  *--dependency*) echo 12 ;;
  *) echo "11;cluster" ;;
esac
"""


def test_an_array_of_slurm_has_a_task_for_each_run(
    commands: Commands,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = tmp_path / "bin" / "sbatch"
    program.parent.mkdir()
    out = tmp_path / "my sweep"
    arguments = [str(file), "--out", str(out), "--rows", "low", "high"]
    monkeypatch.setenv("PATH", "")
    assert main([*arguments, "--slurm"]) == 2
    assert "there is no command sbatch" in capsys.readouterr().err
    program.write_text(SBATCH.format(folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/bin:/usr/bin")
    assert main([*arguments, "--slurm=--gres=gpu:8 --time=2-00", "--options", "--y=3"]) == 0
    assert "job 11: 2 runs; job 12: tables" in capsys.readouterr().out
    array, tables = (tmp_path / "calls").read_text().splitlines()
    assert array == f"--parsable --gres=gpu:8 --time=2-00 {out}/sweep.sbatch"
    assert "--dependency=afterany:11" in tables
    assert "sweep --tables " in tables
    script = (out / "sweep.sbatch").read_text()
    assert "#SBATCH --array=0-1" in script
    # Each task completes one run; the job at the end writes the tables.
    (call,) = [line for line in script.splitlines() if line.startswith("exec ")]
    selection = [str(file), "--out", str(out), "--rows", "low", "high", "--options", "--y=3"]
    assert call.endswith("--rows low high --options --y=3")
    assert '--cell "$SLURM_ARRAY_TASK_ID" ' in call
    assert main(["--cell", "1", *selection]) == 0
    assert all("--x=2" in call for call in commands.calls if call[0] == "fit" and "linear" not in call[-1])
    assert main(["--tables", *selection]) == 1  # one of two
    assert "| high | 81.2 |" in capsys.readouterr().out
    assert main([*arguments, "--slurm=--partition=bad"]) == 2
    assert "sbatch failed: invalid partition" in capsys.readouterr().err
    assert main(["--cell", "2", *selection]) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"published": {"linear/accuracy": {"middle": {"all": 1}}}},
            "no score 'linear/accuracy' in row 'middle'",
        ),
        ({"published": {"accuracy": {"low": {"all": 1}}}}, "no score 'accuracy'"),
        ({"protocols": {"linear": {"option": []}}}, "protocol 'linear' has `options`"),
        ({"protocols": {"linear": {"options": ["x"]}}}, "'x' must be an option of one word"),
    ],
)
def test_wrong_files(
    file: Path, change: dict[str, object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(yaml.safe_dump({**SWEEP, **change}))
    assert main([str(file)]) == 2
    assert message in capsys.readouterr().err
