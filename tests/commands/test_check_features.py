"""``check-features`` finds the files that a run cannot use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests._helpers.feature_layouts import features, write_root, write_video
from unlabelled.commands.check_features import main

DIMS = ["--dim-2d", "3", "--dim-3d", "4", "--workers", "2"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    paths = write_root(tmp_path)
    (tmp_path / "all.csv").write_text("path\n" + "\n".join(paths))
    return tmp_path


def test_all_files_are_usable(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(root), "all.csv", *DIMS]) == 0
    assert capsys.readouterr().out == "6 of 6 videos have all features\n"


def test_each_unusable_file_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "audio/art/v_0/id0/id0_spec.npz").unlink()
    (root / "features/art/v_2/id2/id2_2d.npz").write_bytes(b"")
    write_video(root, "food/v_1/id1", **{"2d": np.ones((3, 9)), "3d": np.zeros((0, 4))})
    write_video(root, "food/v_3/id3", **{"3d": features()["3d"] + np.float16("inf")})
    assert main([str(root), "all.csv", *DIMS]) == 1
    *lines, summary = capsys.readouterr().out.splitlines()
    assert summary == "2 of 6 videos have all features; files: unfit 3, missing 1, unreadable 1"
    for line, words in zip(
        lines,
        [
            "id0_spec.npz: no such file",
            "id1_2d.npz[features]: expected an array (n, 3), found (3, 9)",
            "id1_3d.npz[features]: expected at least one row, found shape (0, 4)",
            "id2_2d.npz: unreadable",
            "id3_3d.npz[features]: expected finite numbers, found 180 that are not",
        ],
        strict=True,
    ):
        assert words in line


def test_parts_that_are_not_required_are_not_checked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "audio/art/v_0/id0/id0_spec.npz").unlink()
    (root / "features/art/v_2/id2/id2_3d.npz").unlink()
    assert main([str(root), "all.csv", "--dim-2d", "3", "--dim-3d", "0", "--no-audio"]) == 0
    assert "6 of 6" in capsys.readouterr().out


def test_a_missing_list(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(root), "none.csv", *DIMS]) == 2
    assert "none.csv" in capsys.readouterr().err
