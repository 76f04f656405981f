"""Options of a page beside the samples, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests._helpers import small_page
from tests._helpers.small_page import page_data
from unlabelled.__main__ import run_tool
from unlabelled.commands.page import own_files


@pytest.fixture
def embedded(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace ``cli.py embed``, by the features of the sample with a file's number; return its options."""
    given: list[str] = []

    def embed(command: str, options: Sequence[str]) -> int:
        given[:] = [command, *options]
        links, out = Path(options[1]), Path(options[2].removeprefix("--out="))
        names = sorted(path.name for path in links.iterdir() if path.suffix == ".png")
        rows = np.array([int((links / name).resolve().stem) for name in names])
        out.mkdir()
        features = small_page.features(12)["video"][rows % 12]
        features[rows >= 12] = np.nan
        np.save(out / "features_image.npy", features)
        (out / "paths.txt").write_text("".join(f"{name}\n" for name in names))
        return 0

    monkeypatch.setattr(own_files, "run_cli", embed)
    (run_folder / "checkpoints").mkdir()
    (run_folder / "checkpoints" / "best.ckpt").touch()
    (run_folder / "predict" / "config.predict.yaml").write_text("ckpt_path: best\n")
    return given


def test_own_files_are_found(
    run_folder: Path, embedded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    files = [run_folder.parent / name for name in ("7.png", "30.png", "7.txt", "3.png")]
    for path in files:
        path.touch()
    assert run_tool(["page", str(run_folder), "--query", *map(str, files)], "unlabelled") == 0
    assert embedded[:2] == ["embed", str(run_folder / "checkpoints" / "best.ckpt")]
    queries = page_data(run_folder / "page")["queries"]
    assert [(Path(each["name"]).name, each["near"][0]) for each in queries] == [("7.png", 7), ("3.png", 3)]
    assert "files that cannot be read: 2" in capsys.readouterr().err
    assert run_tool(["page", str(run_folder), "--query", str(files[1])], "unlabelled") == 2
    assert "none of the files can be read" in capsys.readouterr().err
    assert run_tool(["page", str(run_folder), "--query", "gone.png"], "unlabelled") == 2
    assert "--query gone.png: there is no such file" in capsys.readouterr().err
    (run_folder / "checkpoints" / "best.ckpt").unlink()
    assert run_tool(["page", str(run_folder), "--query", str(files[0])], "unlabelled") == 2
    assert "there is no checkpoint best" in capsys.readouterr().err


def test_two_runs_are_compared(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool(["page", str(run_folder), "--compare", str(run_folder)], "unlabelled") == 0
    assert "has 12 of the 12 samples" in capsys.readouterr().out
    data = page_data(run_folder / "page")
    assert data["compare"]["nmi"][data["clusters"] - 1] == 1
    assert run_tool(["page", str(run_folder), "--compare", str(run_folder / "gone")], "unlabelled") == 2
    assert "there is no folder" in capsys.readouterr().err
