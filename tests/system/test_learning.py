"""The demos learn on real photographs and sampled instruments, in a small part of their time.

A method learns if its held-out scores are above those of its untrained encoders. Data that ``make real-data``
has not made are a reason to skip, which CI never does, since it makes them.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

import cli
from tests.conftest import ROOT
from unlabelled.commands.compare.results import read_scores

GARMENTS, FASHION = ROOT / "data" / "garments", ROOT / "data" / "real" / "FashionMNIST"
PER_CLASS = {"train": 10, "test": 8}


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the first clips of each class, in the layout of VGG-Sound."""
    if not (GARMENTS / "COMPLETE.json").is_file():
        pytest.skip("there are no garments: make real-data")
    root = tmp_path_factory.mktemp("garments")
    (root / "video").symlink_to(GARMENTS / "video")
    seen: Counter[tuple[str, str]] = Counter()
    with (
        (GARMENTS / "vggsound.csv").open(newline="", encoding="utf-8") as source,
        (root / "vggsound.csv").open("w", newline="", encoding="utf-8") as target,
    ):
        for row in csv.reader(source):
            seen[row[2], row[3]] += 1
            if seen[row[2], row[3]] <= PER_CLASS[row[3]]:
                csv.writer(target).writerow(row)
    return root


def scores(out: Path, *options: str, epochs: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the scores of ``test`` of untrained and of trained weights."""
    common = [*options, f"--trainer.default_root_dir={out}", "--trainer.enable_progress_bar=false"]

    def run(command: str, name: str, *more: str) -> None:
        assert cli.main([command, *common, f"--run={name}", "--data.init_args.num_workers=0", *more]) == 0

    run("test", "untrained")
    run("fit", "trained", f"--trainer.max_epochs={epochs}", f"--trainer.check_val_every_n_epoch={epochs}")
    run("test", "trained", "--ckpt_path=last")
    return read_scores(out / "untrained" / "test"), read_scores(out / "trained" / "test")


@pytest.mark.parametrize(
    ("demo", "score", "gain"), [("selavi", "nmi", 0.25), ("xdc", "knn_accuracy_audio", 0.08)]
)
def test_clips(demo: str, score: str, gain: float, garments: Path, tmp_path: Path) -> None:
    files = [f"--config=configs/demo/{demo}.yaml", "--config=configs/data/vggsound.yaml"]
    before, after = scores(tmp_path, *files, f"--data.init_args.root={garments}", epochs=25)
    assert after[score] > before[score] + gain


def test_images(tmp_path: Path) -> None:
    if not FASHION.is_dir():
        pytest.skip("there is no Fashion-MNIST: make real-data")
    files = ["--config=configs/demo/sce.yaml", "--config=configs/data/fashion_mnist.yaml"]
    few = ["--data.init_args.train_per_class=60", "--data.init_args.test_per_class=40"]
    before, after = scores(tmp_path, *files, *few, epochs=12)
    assert after["linear_accuracy"] > before["linear_accuracy"] + 0.03
