"""Comparison of the score of learning with the NMI of runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from torch.utils.tensorboard import SummaryWriter

from tools.learning_score import Run, correlation, main, read


def write(folder: Path, root: str, scores: list[float], **scalars: float) -> Path:
    with SummaryWriter(str(folder / "log" / "version_0")) as board:
        for step, value in enumerate(scores):
            board.add_scalar("learning/score", value, step)
        for name, value in scalars.items():
            board.add_scalar(name.replace("__", "/"), value, 0)
        board.add_text("learning/verdict", "the heads do not agree", 1)
    data = {"class_path": "datamodules.Embedded", "init_args": {"root": root}}
    (folder / "log" / "version_0" / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    return folder


def test_the_last_values_of_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [
        write(tmp_path / "a", "data/x", [0.1, 0.5], val__nmi=0.1, test__nmi=0.8),
        write(tmp_path / "b", "data/x", [0.9, 0.3], val__nmi=0.9, test__nmi=0.6),
        write(tmp_path / "c", "data/x", [0.2], val__kmeans__nmi_image=0.7),
        write(tmp_path / "d", "data/y", [0.1], val__nmi=0.05),
    ]
    assert read(folders[0]) == Run(
        str(folders[0]), "Embedded x", pytest.approx(0.5), pytest.approx(0.8), "the heads do not agree"
    )
    assert main([str(folder) for folder in folders]) == 0
    printed = capsys.readouterr().out
    assert "Spearman's correlation of 4 runs: 0.80" in printed
    assert "Embedded x, 3 runs: 0.50" in printed
    assert "Embedded y" not in printed.partition("Spearman")[2]


def test_a_diverged_run_ranks_lowest() -> None:
    runs = [Run("", "", score, nmi, "") for score, nmi in ((0.5, 0.7), (float("nan"), 0.0), (0.1, 0.2))]
    assert correlation(runs) == pytest.approx(1)


def test_a_run_without_score_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "a", "data/x", [], val__nmi=0.1)
    assert main([str(folder)]) == 1
    assert f"{folder}: no learning/score" in capsys.readouterr().err
