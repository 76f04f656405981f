"""Images and objects in the format of COCO: boxes, masks, crowds, flips and batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules import COCO
from tests._helpers.coco_layout import CLASSES, SIDE, coco
from unlabelled.data.datasets.coco import _decompressed, _mask
from unlabelled.pipelines import DetectionImages
from unlabelled.seeding import numpy_generator


def module(root: Path, **options: Any) -> COCO:
    return COCO(str(root), batch_size=2, num_workers=0, **options)


def test_boxes_masks_and_labels_of_both_splits(tmp_path: Path) -> None:
    data = module(coco(tmp_path))
    data.setup("fit")
    assert data.class_names == list(CLASSES)
    summary = data.find("train").summary()
    assert "4 images of instances_train2017.json; left out: 1 without an object" in summary
    (first,) = data.val_dataloader()
    assert first["image"][0].shape == (3, SIDE, SIDE + 16)
    assert first["target"][0]["boxes"].tolist() == [[8.0, 10.0, 44.0, 40.0]]
    assert first["target"][1]["labels"].tolist() == [1, 2]
    mask = first["target"][0]["masks"][0]
    assert mask[10:40, 8:44].float().mean() == 1
    assert mask.sum() <= 37 * 31  # polygons of Pillow include their edge
    assert first["target"][2]["boxes"].shape == (0, 4)
    assert first["target"][2]["masks"].shape == (0, SIDE, SIDE + 16)
    finished = data.on_after_batch_transfer(first, 0)
    assert finished["image"][0].max() <= 1


def test_a_flip_moves_boxes_and_masks_with_the_pixels() -> None:
    image = torch.zeros(3, 10, 20, dtype=torch.uint8)
    image[:, 2:5, 1:7] = 200
    target = {"boxes": torch.tensor([[1.0, 2.0, 7.0, 5.0]]), "masks": (image[:1] > 0).byte()}
    flipped = DetectionImages(flip=1.0).load(image, target, numpy_generator(0), True)
    (left, top, right, bottom) = flipped["target"]["boxes"][0].int().tolist()
    assert (left, right) == (13, 19)
    assert (flipped["image"][0] > 0).nonzero().tolist() == flipped["target"]["masks"][0].nonzero().tolist()
    assert bool((flipped["image"][:, top:bottom, left:right] == 200).all())
    assert DetectionImages(flip=1.0).load(image, target, numpy_generator(0), False)["target"] is target


def test_crowds_and_empty_boxes_are_left_out_of_training(tmp_path: Path) -> None:
    path = coco(tmp_path) / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["iscrowd"] = 1
    content["annotations"][0]["segmentation"] = {"size": [SIDE, SIDE + 16], "counts": [5, 3, SIDE * 112 - 8]}
    content["annotations"][1]["bbox"][2] = 0
    path.write_text(json.dumps(content))
    (tmp_path / "val2017").rename(tmp_path / "other")
    (tmp_path / "train2017").rename(tmp_path / "val2017")
    path.rename(path.with_name("instances_val2017.json"))
    index = module(tmp_path, train_split="val2017").find("train")
    assert len(index) == 3  # the first image had nothing but the crowd
    evaluated = module(tmp_path).find("val").target(0, SIDE, SIDE + 16)
    assert evaluated["iscrowd"].tolist() == [1]
    assert evaluated["masks"][0].nonzero().tolist() == [[5, 0], [6, 0], [7, 0]]  # column by column


def test_run_lengths_as_text() -> None:
    # Runs 6, 1, 40, 4, 5, 4, 5, 4, 21 of the official program: six bits per character.
    runs = [6, 1, 40, 4, 5, 4, 5, 4, 21]
    text = ""
    for number, run in enumerate(runs):
        value = run - (runs[number - 2] if number > 2 else 0)
        while True:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr((bits | (0x20 if more else 0)) + 48)
            if not more:
                break
    assert text == "61X13mN000`0"
    assert _decompressed(text) == runs
    mask = _mask({"counts": text}, 9, 10)
    assert np.array_equal(mask, _mask({"counts": runs}, 9, 10))
    assert mask.sum() == 1 + 4 + 4 + 4


def test_wrong_lists_are_one_line(tmp_path: Path) -> None:
    path = coco(tmp_path) / "annotations" / "instances_train2017.json"
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"instances_train2017.json: not a list of objects"):
        module(tmp_path).find("train")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="COCO"):
        module(tmp_path).find("train")
