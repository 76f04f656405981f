"""Boxes of the objects of the embedded data set, and the families of its classes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules import Embedded, VGGSound
from unlabelled.contracts import GroupsClasses, HasBoxes
from unlabelled.data.media.decord_reader import DecordReader
from unlabelled.pipelines import FrameAndAudio
from unlabelled.transforms import VGGishMel


@pytest.fixture
def data(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    monkeypatch.setattr("datamodules.embedded.write_embedded", lambda *arguments: None)
    pipeline = FrameAndAudio(32, VGGishMel(num_frames=20))
    module = Embedded(
        str(tiny_root), pipeline=pipeline, reader=DecordReader(), index_workers=0, num_workers=0
    )
    for stage in ("fit", "test"):
        module.setup(stage)
    return module


def test_each_class_has_its_family(data: Embedded) -> None:
    assert isinstance(data, GroupsClasses)
    assert VGGSound(data.root).class_groups is None  # its official list has no groups
    families: dict[str, list[str]] = {}
    for name, family in zip(data.class_names, data.class_groups, strict=True):
        families.setdefault(family, []).append(name)
    assert families == {
        "drum": ["drum booming", "drum clicking", "drum rattling"],
        "siren": ["beacon wailing", "car wailing", "lamp wailing"],
        "string": ["fiddle bowed", "harp bowed", "harp plucked"],
    }


def test_boxes_of_the_nearest_time(data: Embedded, tiny_root: Path) -> None:
    assert isinstance(data, HasBoxes)
    assert data.box_agreement == 1
    rows = list(csv.DictReader((tiny_root / "boxes.csv").open(newline="")))
    for split, row in (("train", 0), ("val", 5), ("test", 17)):
        stem = Path(data.clip_paths(split)[row]).stem
        track = [each for each in rows if each["id"] == stem.rpartition("_")[0]]
        assert len(track) == 6
        for second, number in ((0.0, 0), (0.3, 1), (0.4, 2), (0.75, 3), (9.0, 5)):
            expected = [[float(track[number][name]) for name in ("x0", "y0", "x1", "y1")]]
            assert data.boxes(split, row, second).tolist() == expected


def test_what_changes_with_the_object_lies_in_the_box(data: Embedded) -> None:
    """Frames are stretched whole, so that a box lies where its object is: the rest hardly has such edges."""
    inside, outside = [], []
    for batch in data.test_dataloader():
        images = batch["image"].float() / 255
        edges = torch.zeros(len(images), 32, 32)
        edges[:, :, 1:] += images.diff(dim=3).abs().sum(1)
        edges[:, 1:] += images.diff(dim=2).abs().sum(1)
        for edge_map, row, second in zip(edges, batch["index"], batch["frame_second"], strict=True):
            x0, y0, x1, y1 = (data.boxes("test", int(row), float(second))[0] * 32).round().int().tolist()
            within = torch.zeros(32, 32, dtype=torch.bool)
            within[y0:y1, x0:x1] = True
            inside.append(float(edge_map[within].mean()))
            outside.append(float(edge_map[~within].mean()))
    assert len(inside) == 18
    assert np.mean(np.array(inside) > np.array(outside)) > 0.8
