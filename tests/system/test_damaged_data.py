"""Damaged training files are left out by the index, and replaced and counted during the run."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from datamodules import VGGSound
from tests._helpers.commands import command, load
from unlabelled.data.datasets.clips import NOT_REPLACED, ClipDataset, SampleKey
from unlabelled.data.media.cached_reader import CachedReader
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines import AudioVisualPipeline
from unlabelled.transforms import LogMel


@pytest.fixture
def damaged(tiny_root: Path, tmp_path: Path) -> Path:
    """Return a copy with three unusable training clips."""
    root = tmp_path / "damaged"
    shutil.copytree(tiny_root, root, ignore=shutil.ignore_patterns(".unlabelled"))
    first, second, third = sorted(_training_files(root))[:3]
    first.unlink()
    second.write_bytes(b"")
    third.write_bytes(third.read_bytes()[: third.stat().st_size // 2])
    return root


def _training_files(root: Path) -> list[Path]:
    rows = [line.split(",") for line in (root / "vggsound.csv").read_text().splitlines()]
    return [root / "video" / f"{row[0]}_{int(row[1]):06d}.mp4" for row in rows if row[-1] == "train"]


def small_pipeline() -> AudioVisualPipeline:
    log_mel = LogMel(sample_rate=8000, num_filters=16, num_frames=49)
    return AudioVisualPipeline(4, 4.0, 16, (20, 20), 20, audio=log_mel)


def test_a_run_leaves_out_and_reports_damaged_files(
    damaged: Path, tiny_overlay: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [path.name for path in sorted(_training_files(damaged))[:3]]
    out = tmp_path / "out"
    with caplog.at_level("INFO"):
        assert cli.main(command("fit", damaged, tiny_overlay, out, "--trainer.max_epochs=1")) == 0
    summary = caplog.text
    assert "33 of 36 clips usable" in summary
    for name, reason in zip(names, ("missing", "empty file", "truncated"), strict=True):
        assert name in summary
        assert reason in summary
    assert load(out)["pseudo_labels"].shape[0] == 33


def test_a_file_that_fails_during_the_run_is_replaced_counted_and_named(
    damaged: Path, tiny_overlay: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = VGGSound(str(damaged), pipeline=small_pipeline(), num_workers=0, index_workers=0)
    data.setup("fit")
    lost = Path(data.clip_paths("train")[5])
    lost.write_bytes(b"no longer a video")
    dataset = ClipDataset(data._indices["train"], data.reader, data.pipeline, train=True)
    sample = dataset[SampleKey(5, epoch=3)]
    assert sample["replaced"] == 5
    assert sample["index"] != 5
    assert sample["label"] == data._indices["train"].entries[int(sample["index"])].label
    direct = dataset[SampleKey(int(sample["index"]), epoch=3)]
    assert torch.equal(direct["video"], sample["video"])  # the replacement equals that clip
    assert direct["replaced"] == NOT_REPLACED
    assert lost.name in caplog.text


def test_a_run_continues_if_files_vanish_after_indexing(
    damaged: Path, tiny_overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    VGGSound(str(damaged), pipeline=small_pipeline(), index_workers=0).setup("fit")
    out, options = tmp_path / "out", ["--trainer.max_epochs=3"]
    arguments = command("fit", damaged, tiny_overlay, out, *options)
    lost = sorted(_training_files(damaged))[4].name
    original = CachedReader.waveform

    @functools.wraps(original)
    def failing(self: CachedReader, path: str, *rest: Any) -> Any:
        if path.endswith(lost):
            raise DecodeError(path, "gone")
        return original(self, path, *rest)

    monkeypatch.setattr(CachedReader, "waveform", failing)
    assert cli.main(arguments) == 0
    events = EventAccumulator(str(next((out / "log").glob("version_*"))))
    events.Reload()
    assert events.Scalars("data/replaced")[-1].value == 3  # once in each epoch
    assert all(event.value == 1 for event in events.Scalars("cluster/unread"))
    labels = load(out)["pseudo_labels"]
    assert (labels == -1).any(1).sum() == 1  # the vanished clip is never clustered, all others are
