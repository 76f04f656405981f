"""The tutorials, run as a user runs them: on data of their own, in layouts that they were not written for."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, environment

TUTORIALS = ROOT / "docs" / "tutorials"
SMALL = ["--steps=12", "--batch-size=6", "--width=2", "--crop=16"]


def run(name: str, *arguments: object, cwd: Path) -> str:
    """Run a tutorial as a script, and return what it prints."""
    shell = subprocess.run(
        [sys.executable, str(TUTORIALS / name), *map(str, arguments)],
        cwd=cwd,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert shell.returncode == 0, f"{shell.stdout[-2000:]}\n{shell.stderr[-4000:]}"
    return shell.stdout


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def clips(tiny_root: Path) -> list[tuple[str, Path]]:
    """Return class and file of the tiny clips, those of three classes."""
    with (tiny_root / "vggsound.csv").open(encoding="utf-8") as file:
        rows = [
            (label, tiny_root / "video" / f"{name}_{int(start):06d}.mp4")
            for name, start, label, _ in csv.reader(file)
        ]
    chosen = sorted({label for label, _ in rows})[:3]
    return [(label, path) for label, path in rows if label in chosen]


def test_clips_in_class_folders(clips: list[tuple[str, Path]], tmp_path: Path) -> None:
    for number, (label, path) in enumerate(clips):
        target = tmp_path / "mine" / label / f"part{number % 2}" / f"a clip {number}.MP4"
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    (tmp_path / "mine" / clips[0][0] / "broken.mkv").write_bytes(b"")
    printed = run("clips_to_clusters.py", tmp_path / "mine", "--clusters=3", *SMALL, cwd=tmp_path)
    assert "left out 1: empty file 1" in printed
    numbers = re.findall(r"NMI with the folders, (\w+): ([\d.]+)  ([\d.]+)", printed)
    assert [name for name, *_ in numbers] == ["video", "audio", "both"]
    assert all(0 <= float(value) <= 1 for _, *values in numbers for value in values)
    out = tmp_path / "runs" / "clips_to_clusters"
    assert is_png(out / "gallery.png")
    assert is_png(out / "matrix.png")


def test_clips_in_a_flat_folder_without_classes(clips: list[tuple[str, Path]], tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for number, (_, path) in enumerate(clips):
        os.link(path, tmp_path / "flat" / f"{number}.mp4")
    printed = run("clips_to_clusters.py", "flat", "--clusters=3", "--out=here", *SMALL, cwd=tmp_path)
    assert "NMI with the folders" not in printed
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", printed)]
    assert losses
    assert np.isfinite(losses).all()
    assert is_png(tmp_path / "here" / "gallery.png")


def test_features_to_a_tree(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.arange(4).repeat(10))
    np.save(
        tmp_path / "features.npy", (4 * np.eye(4, 7)[labels] + rng.normal(size=(40, 7))).astype(np.float32)
    )
    np.save(tmp_path / "labels.npy", labels)
    options = ["features.npy", "--labels=labels.npy", "--leaves=15", "--clusters=4", "--out=tree"]
    printed = run("features_to_tree.py", *options, cwd=tmp_path)
    rows = re.findall(
        r"^(.+?) +cost (\S+)  dendrogram purity (\S+)  NMI of 4 clusters (\S+)$", printed, re.MULTILINE
    )
    cost = {name: float(value) for name, value, *_ in rows}
    assert cost["local search"] == min(cost.values())
    assert min(float(purity) for _, _, purity, _ in rows[1:]) > 0.6
    assert is_png(tmp_path / "tree" / "dendrogram.png")
    assert (tmp_path / "tree" / "tree.nwk").read_text().count(":") == 2 * 15 - 2


def test_features_to_a_tree_without_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.random.default_rng(2).normal(size=(9, 3)))
    assert "9 samples in 9 leaves" in run("features_to_tree.py", "features.npy", cwd=tmp_path)
    assert is_png(tmp_path / "runs" / "features_to_tree" / "dendrogram.png")
