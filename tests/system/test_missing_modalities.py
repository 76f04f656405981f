"""Clips without an audio track, or with black video, are clustered beside those that have both."""

from __future__ import annotations

import csv
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from datamodules import VGGSound
from tests._helpers.commands import command, load
from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.missing import present_modalities
from unlabelled.pipelines import AudioVisualPipeline, ClipPipeline, FrameAndAudio
from unlabelled.transforms import LogMel, VGGishMel

ALLOW = "--data.init_args.pipeline.init_args.allow_missing_audio=true"
PIPELINES: tuple[ClipPipeline, ...] = (
    AudioVisualPipeline(4, 4.0, 16, (20, 20), 20, audio=LogMel(8000, 16, 49), allow_missing_audio=True),
    FrameAndAudio(16, VGGishMel(num_frames=40), allow_missing_audio=True),
)
KINDS = ("whole", "without audio", "black", "black without audio")


def rewrite(source: Path, target: Path, black: bool, audio: bool) -> None:
    """Copy a clip with its streams, with black frames, or without the audio track."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = old.streams.video[0]
        video = new.add_stream("libx264", rate=Fraction(stream.average_rate or 25))
        video.width, video.height, video.pix_fmt = stream.width, stream.height, "yuv420p"
        track = new.add_stream_from_template(old.streams.audio[0]) if audio else None
        for packet in old.demux():
            if packet.stream.type == "audio" and track is not None and packet.dts is not None:
                packet.stream = track
                new.mux(packet)
            elif packet.stream.type == "video":
                for frame in packet.decode():
                    pixels = frame.to_ndarray(format="rgb24")
                    copy = av.VideoFrame.from_ndarray(np.zeros_like(pixels) if black else pixels, "rgb24")
                    copy.pts, copy.time_base = frame.pts, frame.time_base
                    new.mux(video.encode(copy))
        new.mux(video.encode(None))


@pytest.fixture(scope="module")
def root(tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny data set, of which every fourth clip is of each kind."""
    root = tmp_path_factory.mktemp("incomplete") / "clips"
    shutil.copytree(tiny_root, root, ignore=shutil.ignore_patterns(".unlabelled"))
    for number, path in enumerate(sorted(root.rglob("*.mp4"))):
        kind = KINDS[number % 4]
        if kind != "whole":
            rewritten = path.with_suffix(".new.mp4")
            rewrite(path, rewritten, black="black" in kind, audio="without" not in kind)
            rewritten.replace(path)
    return root


def kind_of(root: Path, path: str) -> str:
    return KINDS[sorted(map(str, root.rglob("*.mp4"))).index(path) % 4]


def training_paths(root: Path) -> list[str]:
    data = VGGSound(str(root), pipeline=PIPELINES[0], num_workers=0, index_workers=0)
    data.setup("fit")
    return data.clip_paths("train")


def test_clips_with_and_without_audio_are_clustered(
    root: Path, tiny_overlay: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        cli.main(command("fit", root, tiny_overlay, tmp_path, ALLOW, "--model.init_args.num_clusters=9"))
    kinds = [kind_of(root, path) for path in training_paths(root)]
    silent = sum("without" in kind for kind in kinds)
    summary = f"train: 36 of 36 clips usable; {silent} without audio, but kept: no audio stream {silent} ("
    assert summary in caplog.text
    checkpoint = f"--ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"
    labels = load(tmp_path)["pseudo_labels"]
    for name in ("test", "predict"):
        cli.main(command(name, root, tiny_overlay, tmp_path / name, ALLOW, checkpoint))
    (path,) = (tmp_path / "predict").rglob("predictions.csv")
    rows = list(csv.DictReader(path.open()))
    assert len(rows) == 18
    expected = {"whole": "", "without audio": "audio", "black": "video", "black without audio": "video+audio"}
    assert [row["missing"] for row in rows] == [expected[kind_of(root, row["path"])] for row in rows]
    for row in rows:
        undecided = float(row["confidence"]) == pytest.approx(1 / 9, abs=1e-4)
        assert undecided == (row["missing"] == "video+audio")
    events = EventAccumulator(str(tmp_path / "log" / "version_0"))
    events.Reload()
    assert events.Scalars("cluster/missing")[-1].value == kinds.count("black without audio")
    assert [bool(row) for row in (labels == UNLABELLED).all(1)] == ["black without" in kind for kind in kinds]
    counts = [sum(name in row["missing"] for row in rows) for name in ("video", "audio")]
    assert [events.Scalars(f"val/missing_{name}")[-1].value for name in ("video", "audio")] == counts
    tested = EventAccumulator(str(tmp_path / "test" / "log" / "version_0"))
    tested.Reload()
    for curve, number in (("brightness", 0), ("volume", 1)):
        assert tested.Scalars(f"test/degradation/missing/{curve}_0")[-1].value == 18
        assert tested.Scalars(f"test/degradation/missing/{curve}_1")[-1].value == counts[number]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_missing_track_is_read_as_silence(pipeline: ClipPipeline, root: Path) -> None:
    data = VGGSound(str(root), pipeline=pipeline, num_workers=0, index_workers=0)
    data.setup("test")
    (batch,) = data.test_dataloader()
    kinds = [kind_of(root, path) for path in data.clip_paths("test")]
    assert batch["silent"].tolist() == ["without" in kind for kind in kinds]
    visual = "video" if "video" in batch else "image"
    present = present_modalities(pipeline.finish(batch), [visual, "audio"])
    assert present["audio"].tolist() == ["without" not in kind for kind in kinds]
    assert present[visual].tolist() == ["black" not in kind for kind in kinds]
    assert torch.isfinite(batch["audio"]).all()


def test_by_default_clips_without_audio_are_left_out(root: Path) -> None:
    pipeline = AudioVisualPipeline(4, 4.0, 16, (20, 20), 20, audio=LogMel(8000, 16, 49))
    data = VGGSound(str(root), pipeline=pipeline, num_workers=0, index_workers=0)
    data.setup("test")
    assert {kind_of(root, path) for path in data.clip_paths("test")} == {"whole", "black"}
