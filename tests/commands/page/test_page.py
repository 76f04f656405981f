from __future__ import annotations

from pathlib import Path

import pytest

from unlabelled.__main__ import run_tool
from unlabelled.commands.page.predictions import find_predictions, predict_options


def test_the_page_of_a_run(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(["page", str(run_folder), "--clusters", "4"], "unlabelled") == 0
    page = run_folder / "page" / "index.html"
    assert f"page written to {page}" in capsys.readouterr().out
    assert page.is_file()
    assert len(list((run_folder / "page" / "previews").iterdir())) == 24


def test_a_run_without_predictions_is_predicted_with_its_best_checkpoint(run_folder: Path) -> None:
    (run_folder / "fit").mkdir()
    (run_folder / "fit" / "config.yaml").touch()
    checkpoints = run_folder / "checkpoints"
    checkpoints.mkdir()
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        predict_options(run_folder)
    (checkpoints / "last.ckpt").touch()
    assert f"--ckpt_path={checkpoints / 'last.ckpt'}" in predict_options(run_folder)
    (checkpoints / "best.ckpt").touch()
    assert f"--ckpt_path={checkpoints / 'best.ckpt'}" in predict_options(run_folder)


def test_predictions_without_features_do_not_count(run_folder: Path) -> None:
    assert find_predictions(run_folder) is not None
    (run_folder / "predict" / "all" / "features_image.npy").unlink()
    assert find_predictions(run_folder) is None


def test_a_folder_that_is_no_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(["page", str(tmp_path / "missing")], "unlabelled") == 2
    assert "there is no folder" in capsys.readouterr().err
    assert run_tool(["page", str(tmp_path)], "unlabelled") == 2
    assert "no fit/config.yaml" in capsys.readouterr().err
