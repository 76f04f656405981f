"""A folder of own files, from ``fit`` to a table of clusters, as a new user would try it."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from lightning_modules import load_encoder
from tests._helpers.commands import DEMO, FOUR_PASSES, load, output_options
from tests._helpers.media_files import write_clip
from tests._helpers.own_files import mixed_images, mixed_videos
from tests._helpers.shrink import shrink
from tests.conftest import ROOT

VIDEOS = [f"--config={DEMO}", "--config=configs/data/videos.yaml"]
PIPELINE = """
data:
  class_path: datamodules.Videos
  init_args:
    pipeline:
      class_path: unlabelled.pipelines.LabelledClips
      init_args: {eval_short_side: 48, eval_crop: 40}
"""
LABEL_TAGS = ("nmi", "ari", "accuracy", "entropy", "purity", "kmeans", "knn", "degradation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a flat folder of mixed videos; one name is in Latin-1, which is no UTF-8."""
    root = tmp_path_factory.mktemp("own")
    mixed_videos(root, 15, seconds=(1.0, 0.5))
    last = os.fsencode(str(root)) + b"/caf\xe9.mp4"
    shutil.copy(root / "Clip 00.mp4", last)
    (root / "notes.txt").write_text("no video")
    return root


@pytest.fixture(scope="module")
def fitted(folder: Path, tiny_overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    assert cli.main(arguments("fit", folder, tiny_overlay, out, "--model.init_args.num_clusters=4")) == 0
    return out


def arguments(command: str, folder: Path, overlay: Path, out: Path, *more: str) -> list[str]:
    reader = "--data.init_args.reader.init_args"
    options = [f"{reader}.short_side=20", f"{reader}.sample_rate=8000", f"--data.init_args.root={folder}"]
    return [command, *VIDEOS, f"--config={overlay}", *options, *output_options(out, FOUR_PASSES), *more]


def checkpoint(fitted: Path) -> str:
    return f"--ckpt_path={fitted / 'checkpoints' / 'last.ckpt'}"


def tags(out: Path) -> list[str]:
    events = EventAccumulator(str(next(out.rglob("version_0"))))
    events.Reload()
    return [*events.Tags()["scalars"], *events.Tags()["images"]]


def test_nothing_about_labels_is_logged_or_drawn(
    fitted: Path, folder: Path, tiny_overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = fitted / "test"
    more = ["--model.init_args.num_clusters=4", checkpoint(fitted)]
    assert cli.main(arguments("test", folder, tiny_overlay, out, *more)) == 0
    logged = [*tags(fitted / "log"), *tags(out)]
    assert {"val/loss", "val/agreement", "train/loss"} <= set(logged)
    about_labels = [
        tag for tag in logged for name in LABEL_TAGS if name in tag and tag != "cluster/nmi_previous"
    ]
    assert not about_labels
    figures = {path.name for path in fitted.rglob("*.png")}
    assert "cluster_gallery.png" in figures
    assert "cluster_class_matrix.png" not in figures
    assert "nmi" not in capsys.readouterr().out


def test_predict_lists_every_file_once(fitted: Path, folder: Path, tiny_overlay: Path) -> None:
    out = fitted / "predict"
    more = ["--model.init_args.num_clusters=4", checkpoint(fitted)]
    assert cli.main(arguments("predict", folder, tiny_overlay, out, *more)) == 0
    (table,) = out.rglob("predictions.csv")
    with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [
        f"{folder}/{name}" for name in os.listdir(folder) if Path(name).suffix.lower() not in (".txt", "")
    ]
    assert sorted(row["path"] for row in rows) == sorted(names)
    assert len(rows) == 16
    header = ["path", "start", "end", "split", "cluster", "confidence"]
    assert list(rows[0]) == [*header, "nearest_1", "nearest_2", "nearest_3", "missing"]
    for row in rows:
        assert 0 <= int(row["cluster"]) < 4
        nearest = [row[f"nearest_{place}"] for place in (1, 2, 3)]
        assert len(set(nearest)) == 3
        assert set(nearest) < set(names) - {row["path"]}
    assert {row["split"] for row in rows} == {"train", "val"}
    assert {row["missing"] for row in rows if row["path"].endswith(".m4v")} == {"audio"}


def test_features_of_other_files(
    fitted: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(fitted / "checkpoints" / "last.ckpt")
    paths = [folder / "Clip 03.avi", tmp_path / "absent.mp4", folder / "Clip 00.mp4"]
    features = load_encoder(file).embed(paths)
    assert {name: tuple(each.shape) for name, each in features.items()} == {
        "video": (3, 16),
        "audio": (3, 16),
    }
    assert features["video"][1].isnan().all()
    assert features["video"][[0, 2]].isfinite().all()
    assert cli.main(["embed", file, str(folder), "--out", str(tmp_path / "features")]) == 0
    lines = (tmp_path / "features" / "paths.txt").read_text(errors="surrogateescape").splitlines()
    video = np.load(tmp_path / "features" / "features_video.npy")
    assert len(lines) == len(video) == 16
    torch.testing.assert_close(torch.from_numpy(video[lines.index("Clip 00.mp4")]), features["video"][2])
    capsys.readouterr()
    assert cli.main(["embed", file, str(tmp_path), "--out", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: '{tmp_path}' has no file that ends in .mp4")
    assert error.count("\n") == 1
    assert load(fitted)["unlabelled_data"]["class_path"] == "datamodules.Videos"


def test_features_of_the_clips_of_long_files(
    fitted: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, root = str(fitted / "checkpoints" / "last.ckpt"), tmp_path / "root"
    root.mkdir()
    write_clip(root / "film.mp4", duration=4.0)
    (root / "damaged.mp4").write_bytes(b"no video")
    out = tmp_path / "features"
    assert cli.main(["embed", file, str(root), "--out", str(out), "--segment-seconds", "1.5"]) == 0
    assert "features of 4 clips: " in capsys.readouterr().out
    assert (out / "paths.txt").read_text().split() == ["damaged.mp4", "film.mp4", "film.mp4", "film.mp4"]
    seconds, audio = np.load(out / "seconds.npy"), np.load(out / "features_audio.npy")
    assert np.isnan(seconds[0]).all()
    np.testing.assert_allclose(seconds[1:], [[0, 1.5], [1.5, 3], [2.5, 4]], atol=0.03)
    assert np.isnan(audio[:, 0]).tolist() == [True, False, False, False]
    assert not (root / ".unlabelled").exists()  # nothing is written beside the files
    assert load_encoder(file).segments is None


def test_data_of_another_modality_name_the_demos_that_fit(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [f"--trainer.default_root_dir={tmp_path}", f"--trainer.logger.init_args.save_dir={tmp_path}"]
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text(PIPELINE)
    args = ["fit", f"--config={DEMO}", f"--config={pipeline}", f"--data.init_args.root={folder}"]
    assert cli.main([*args, *out]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    start = (
        "error: SeLaVi learns from video and audio, but the samples of Videos with LabelledClips have video; "
    )
    assert line.startswith(f"{start}demos that fit: ")
    assert "selavi" in line.partition("fit: ")[2]


def tiny(demo: str, overlay: str, root: Path, out: Path) -> list[str]:
    """Return the options of a short run of a demo on own files."""
    path = ROOT / "configs" / "demo" / f"{demo}.yaml"
    options = [
        f"--config={path}",
        f"--config=configs/data/{overlay}.yaml",
        f"--config={shrink(path, out, 9)}",
    ]
    options += [f"--data.init_args.root={root}", "--trainer.max_epochs=1"]
    if demo in ("xdc", "sela_audio"):  # a few clips with audio do not fill more
        options.append("--model.init_args.num_clusters=4")
    if "CachedReader" in path.read_text():
        options.append("--data.init_args.reader=unlabelled.data.media.PyAVReader")
    return options


@pytest.mark.parametrize(
    ("demo", "overlay"),
    [(name, "videos") for name in ("l3", "xdc", "gdt", "sce_video", "deepcluster")]
    + [("sela_audio", "sounds"), ("sela_images", "images"), ("moco", "images")],
)
def test_any_demo_reads_own_files(demo: str, overlay: str, folder: Path, tmp_path: Path) -> None:
    root = folder
    if overlay == "images":
        root = tmp_path / "images"
        mixed_images(root, 24)
    options = tiny(demo, overlay, root, tmp_path / "run")
    assert cli.main(["fit", *options]) == 0
    last = f"--ckpt_path={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"
    for command in ("test", "predict"):
        assert cli.main([command, *options, last]) == 0
    (table,) = (tmp_path / "run").rglob("predictions.csv")
    with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == (24 if overlay == "images" else 12 if demo in ("l3", "gdt", "sela_audio") else 16)
    assert all(row["cluster"].isdigit() for row in rows)


def test_a_classifier_needs_labels(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fit", *tiny("recognition", "videos", folder, tmp_path)]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "learns from labels, but Videos has none; give class folders or a table" in line
