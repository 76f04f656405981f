"""SeLaVi from video files to TensorBoard: ``fit``, ``validate``, ``test`` and ``predict``."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from tests._helpers.commands import command, load


@pytest.fixture(scope="module")
def fitted(tiny_root: Path, tiny_overlay: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a complete run with one epoch more than the figures require."""
    out = tmp_path_factory.mktemp("run")
    cli.main(command("fit", tiny_root, tiny_overlay, out, "--model.init_args.num_clusters=9"))
    return out


@pytest.fixture(scope="module")
def events(fitted: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(fitted / "log" / "version_0"))
    accumulator.Reload()
    return accumulator


@pytest.mark.parametrize(
    "tag",
    [
        "train/loss",
        "train/loss_video",
        "train/loss_audio",
        "train/loss_video/head0",
        "train/loss_audio/head1",
        "train/clips_per_second",
        "data/wait_share",
        "data/replaced",
        "lr-SGD",
        "cluster/seconds",
        "cluster/time_share",
        "cluster/nmi_previous",
        "cluster/nmi_truth",
        "cluster/empty",
        "cluster/largest",
        "cluster/sinkhorn_error",
        "cluster/sinkhorn_iterations",
        "val/nmi",
        "val/nmi_video",
        "val/nmi_audio",
        "val/nmi_mean",
        "val/nmi_std",
        "val/accuracy",
        "val/entropy",
        "val/purity",
        "val/ari",
        "val/agreement",
        "val/loss",
    ],
)
def test_tensorboard_shows(events: EventAccumulator, tag: str) -> None:
    if tag == "lr-SGD":
        tag = next(name for name in events.Tags()["scalars"] if name.startswith("lr-"))
    values = [event.value for event in events.Scalars(tag)]
    assert values
    assert all(torch.isfinite(torch.tensor(values)))


def test_tensorboard_has_figures_and_projector(fitted: Path, events: EventAccumulator) -> None:
    figures = {"cluster_class_matrix", "cluster_gallery", "cluster_sizes"}
    assert {f"figures/{name}" for name in figures} <= set(events.Tags()["images"])
    assert "cluster/sizes" in events.Tags()["histograms"]
    folder = fitted / "log" / "version_0"
    assert {path.stem for path in (folder / "figures").glob("*.png")} == figures
    assert (folder / "projector_config.pbtxt").is_file()
    metadata = next(folder.glob("*/clips/metadata.tsv")).read_text().splitlines()
    assert metadata[0] == "class\tcluster"
    assert len(metadata) == 1 + 18


def test_the_checkpoint_has_the_state_for_resuming(fitted: Path) -> None:
    checkpoint = load(fitted)
    assert checkpoint["pseudo_labels"].shape == (36, 2)
    assert 0 <= checkpoint["pseudo_labels"].min() <= checkpoint["pseudo_labels"].max() <= 8
    assert not any("pseudo" in name for name in checkpoint["state_dict"])
    states = {name.split("{")[0]: state for name, state in checkpoint["callbacks"].items()}
    assert states["ClusteringPass"]["clock"]["done"] == 3
    assert states["SeededSteps"]["seed"] == 1


def test_test_prints_before_and_after(
    fitted: Path, tiny_root: Path, tiny_overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = f"--ckpt_path={fitted / 'checkpoints' / 'best.ckpt'}"
    cli.main(command("test", tiny_root, tiny_overlay, fitted, checkpoint))
    printed = capsys.readouterr().out
    before, after = printed.index("before training"), printed.index("after training")
    for row in ("heads, video", "heads, audio", "heads, both", "k-means, video", "k-means, both"):
        assert row in printed[before:after]
    for row in ("heads, video", "heads, audio", "heads, both"):
        assert row in printed[after:]
    for column in ("nmi", "ari", "accuracy", "entropy", "purity"):
        assert column in printed[before:after]
    assert "-m tensorboard.main --logdir" in printed
    folder = fitted / "log" / "version_1" / "figures"
    assert (folder / "degradation.png").is_file()


def test_validate_has_the_scores_of_fit(
    fitted: Path, tiny_root: Path, tiny_overlay: Path, events: EventAccumulator
) -> None:
    checkpoint = f"--ckpt_path={fitted / 'checkpoints' / 'last.ckpt'}"
    cli.main(command("validate", tiny_root, tiny_overlay, fitted / "again", checkpoint))
    again = EventAccumulator(str(fitted / "again" / "log" / "version_0"))
    again.Reload()
    for tag in ("val/nmi", "val/nmi_video", "val/agreement"):
        assert again.Scalars(tag)[-1].value == events.Scalars(tag)[-1].value


def test_predict_writes_one_row_per_clip(fitted: Path, tiny_root: Path, tiny_overlay: Path) -> None:
    checkpoint = f"--ckpt_path={fitted / 'checkpoints' / 'last.ckpt'}"
    cli.main(command("predict", tiny_root, tiny_overlay, fitted / "predict", checkpoint))
    path = next((fitted / "predict").rglob("predictions.csv"))
    rows = list(csv.DictReader(path.open()))
    assert len({row["path"] for row in rows}) == len(rows) == 18
    assert all(Path(row["path"]).is_file() and 0 < float(row["confidence"]) <= 1 for row in rows)


def test_another_shape_is_refused_in_one_line(
    fitted: Path, tiny_root: Path, tiny_overlay: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = f"--ckpt_path={fitted / 'checkpoints' / 'last.ckpt'}"
    arguments = command(
        "test", tiny_root, tiny_overlay, fitted / "no", checkpoint, "--model.init_args.num_clusters=5"
    )
    assert cli.main(arguments) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error:")
    assert "heads.video.weight2 is (2, 8, 9) there and (2, 8, 5) here" in last
