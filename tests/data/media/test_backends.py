"""Other decoders than PyAV read files on which they have proved right, and no others."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.clips import ClipDataModule
from tests._helpers import media_files as media
from tests._helpers.media_matrix import Kind, write
from unlabelled.data.media import DecordReader, Entry, PyAVReader, TorchCodecReader, backends, decord_reader
from unlabelled.data.media.index import Requirements, build_index
from unlabelled.pipelines import LabelledClips

NEEDS = Requirements(audio=False, min_duration=1.0)


@pytest.fixture
def root(tmp_path: Path) -> str:
    media.write_clip(tmp_path / "plain.mp4", duration=3)
    write(Kind("mkv", "mpeg1video", "mp2", bframes=2, duration=3.0), tmp_path)
    media.empty(tmp_path / "empty.mp4")
    return str(tmp_path)


ENTRIES = [Entry(name, 0) for name in ("plain.mp4", "clip.mkv", "empty.mp4")]


def test_the_index_proves_each_usable_file(root: str) -> None:
    pytest.importorskip("decord")
    for _ in range(2):  # the second one is read from disk
        index = build_index(root, "train", ENTRIES, NEEDS, 0, progress=False, backend="decord")
        assert index.proved == [f"{root}/plain.mp4"]
        assert index.unproved == {"clip.mkv": "other frames"}
        assert "decord reads the frames of 1, PyAV those of 1: other frames 1 (clip.mkv)" in index.summary()
    plain = build_index(root, "train", ENTRIES, NEEDS, 0, progress=False)
    assert (plain.proved, plain.unproved) == ([], {})
    assert "decord" not in plain.summary()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that a backend is given."""
    names: list[str] = []

    def spy(name: str, path: str, *span: Any) -> Any:
        names.append(Path(path).name)
        return backends.backend_frames(name, path, *span)

    monkeypatch.setattr(decord_reader, "backend_frames", spy)
    return names


class _Folder(ClipDataModule):
    class_names = ["a"]  # noqa: RUF012

    def listing(self, split: str) -> list[Entry]:
        return ENTRIES


def test_a_data_module_gives_the_backend_proved_files_only(root: str, asked: list[str]) -> None:
    pytest.importorskip("decord")
    pipeline = LabelledClips(num_frames=4, duration=1.0, train_short_side=(32, 32), crop=32)
    data = _Folder(root, pipeline=pipeline, reader=DecordReader(), index_workers=0, num_workers=0)
    data._indices["train"] = data.find("train")
    samples = data.dataset("train", train=False)
    assert [samples[row]["replaced"].item() for row in range(2)] == [-1, -1]
    assert asked == ["plain.mp4"]


def test_an_unproved_file_is_read_by_pyav(root: str, asked: list[str]) -> None:
    frames = DecordReader().frames(f"{root}/plain.mp4", 1.0, 1.0, 25)
    assert media.read_numbers(frames) == list(range(25, 50))
    assert asked == []


def test_pyav_reads_what_a_backend_fails_on(root: str, asked: list[str]) -> None:
    pytest.importorskip("decord")
    reader = DecordReader()
    reader.trust([f"{root}/plain.mp4"])
    for start, short_side in ((1.0, None), (1.0, 40), (5.0, None)):  # 5 s: beyond the end
        expected = media.read_numbers(PyAVReader().frames(f"{root}/plain.mp4", start, 1.0, 25, short_side))
        found = reader.frames(f"{root}/plain.mp4", start, 1.0, 25, short_side)
        assert media.read_numbers(found) == expected
    assert asked == ["plain.mp4"] * 3


def test_a_backend_that_is_not_installed_proves_nothing(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "import_backend", lambda name: None)
    assert backends.prove("decord", f"{root}/plain.mp4", 3.0) == "decord is not installed"


class _VideoDecoder:
    """The part of torchcodec's class that is called, on top of PyAV."""

    late = 0

    def __init__(self, path: str, dimension_order: str, num_ffmpeg_threads: int) -> None:
        assert (dimension_order, num_ffmpeg_threads) == ("NHWC", 1)
        self.images = PyAVReader().all_frames(path)[1]

    def get_frames_at(self, indices: list[int]) -> Any:
        shown = np.array(indices) - self.late
        return types.SimpleNamespace(data=torch.from_numpy(self.images[shown.clip(0)]))


@pytest.fixture
def _torchcodec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        backends, "import_backend", lambda name: types.SimpleNamespace(VideoDecoder=_VideoDecoder)
    )


@pytest.mark.usefixtures("_torchcodec")
def test_torchcodec(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{root}/plain.mp4"
    assert backends.prove("torchcodec", path, 3.0) == ""
    reader = TorchCodecReader()
    reader.trust([path])
    frames = reader.frames(path, 1.0, 1.0, 25, 24)
    assert frames.shape == (25, 24, 32, 3)
    assert media.read_numbers(frames) == list(range(25, 50))
    monkeypatch.setattr(_VideoDecoder, "late", 1)
    assert backends.prove("torchcodec", path, 3.0) == "other frames"
