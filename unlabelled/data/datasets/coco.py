"""Images with boxes and masks of objects, listed by a file in the format of COCO."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.lists import read_text
from unlabelled.data.media.images import decode_image
from unlabelled.data.media.reader import DecodeError
from unlabelled.data.strings import Strings
from unlabelled.pipelines.detection import DetectionImages

Target = dict[str, Tensor]
"""``boxes (n, 4)``: left, top, right, bottom; ``masks (n, H, W)``; ``labels (n,)`` from 1; crowds; areas."""


class CocoIndex:
    """The images of one split and their objects.

    Args:
        split: Name of the split, for messages.
        listing: The list of objects, such as ``instances_train2017.json``.
        folder: Folder of the images.
        train: Leave out crowds and boxes without area, and images that have nothing else.

    Raises:
        ValueError: The list is not JSON, or lacks a key.
    """

    def __init__(self, split: str, listing: Path, folder: Path, train: bool) -> None:
        self.split, self.listing, self.folder = split, listing, folder
        try:
            content = json.loads(read_text(listing))
            categories = sorted(content["categories"], key=lambda each: each["id"])
            self.class_names = [str(each["name"]) for each in categories]
            label = {each["id"]: number for number, each in enumerate(categories, 1)}
            objects = _by_image(content["annotations"], label, train)
            images = [(each["file_name"], objects.get(each["id"], [])) for each in content["images"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{listing}: not a list of objects in the format of COCO ({error!r})") from error
        kept = [image for image in images if image[1] or not train]
        self.left_out = len(images) - len(kept)
        self._names = Strings([name for name, _ in kept])
        self._objects = Strings([json.dumps(each) for _, each in kept])  # text: workers share its memory
        self._length = len(kept)

    def __len__(self) -> int:
        return self._length

    @property
    def fingerprint(self) -> str:
        """Hash of 16 hexadecimal digits of the names of the images and their objects."""
        return hashlib.sha256(self._names.text.tobytes() + self._objects.text.tobytes()).hexdigest()[:16]

    def summary(self) -> str:
        """Return one line: the number of images."""
        without = f"; left out: {self.left_out} without an object" if self.left_out else ""
        return f"{self.split}: {len(self)} images of {self.listing.name}{without}"

    @property
    def names(self) -> Iterator[str]:
        """The files, relative to the folder."""
        return (self._names[row] for row in range(len(self)))

    def path(self, row: int) -> str:
        """Return the file of one row."""
        return str(self.folder / self._names[row])

    def target(self, row: int, height: int, width: int) -> Target:
        """Return the objects of one row, for an image of this size."""
        objects = json.loads(self._objects[row])
        boxes = torch.tensor([each["bbox"] for each in objects], dtype=torch.float32).view(-1, 4)
        masks = [_mask(each["segmentation"], height, width) for each in objects]
        return {
            "boxes": torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
            "labels": torch.tensor([each["label"] for each in objects], dtype=torch.int64),
            "masks": torch.from_numpy(np.stack([np.zeros((height, width), np.uint8), *masks])[1:]),
            "iscrowd": torch.tensor([each["iscrowd"] for each in objects], dtype=torch.int64),
            "area": torch.tensor([each["area"] for each in objects], dtype=torch.float32),
        }


def _by_image(
    annotations: list[dict[str, Any]], label: dict[int, int], train: bool
) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for each in annotations:
        crowd, (_, _, width, height) = int(each.get("iscrowd", 0)), each["bbox"]
        if train and (crowd or not min(width, height) > 0):
            continue
        kept = {key: each[key] for key in ("bbox", "segmentation", "area")}
        found[each["image_id"]].append({**kept, "iscrowd": crowd, "label": label[each["category_id"]]})
    return found


def _mask(segmentation: Any, height: int, width: int) -> NDArray[np.uint8]:
    """Return the mask ``(H, W)`` of polygons, or of run lengths that are compressed to a text or not."""
    if isinstance(segmentation, list):
        image = Image.new("L", (width, height))
        for polygon in segmentation:
            ImageDraw.Draw(image).polygon([float(each) for each in polygon], fill=1)
        return np.asarray(image)
    counts = segmentation["counts"]
    runs = counts if isinstance(counts, list) else _decompressed(counts)
    values = np.arange(len(runs)) % 2
    return np.repeat(values, runs).astype(np.uint8).reshape(width, height).T


def _decompressed(text: str) -> list[int]:
    """Return the run lengths of COCO's text: six bits per character, differences from the third run on."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


class CocoDataset(SampleDataset):
    """Images as tensors: ``image (3, H, W)``, ``target``, ``index ()`` and ``replaced ()``.

    Args:
        index: The images and their objects.
        pipeline: Makes tensors.
        train: Augment at random; otherwise as in evaluation.
    """

    def __init__(self, index: CocoIndex, pipeline: DetectionImages, train: bool) -> None:
        self.index, self.pipeline, self.train = index, pipeline, train

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return the file of one row."""
        return self.index.path(row)

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the pipeline's image and target."""
        image = decode_image(self.path(row))
        try:
            target = self.index.target(row, *image.shape[-2:])
        except (KeyError, TypeError, ValueError) as error:
            raise DecodeError(self.path(row), f"its objects do not fit the image ({error})") from error
        return self.pipeline.load(image, target, rng, self.train)


def collate_objects(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a batch: lists of images and targets, which differ in size, and tensors of all else."""
    return {
        key: [sample[key] for sample in samples]
        if key in ("image", "target")
        else torch.stack([sample[key] for sample in samples])
        for key in samples[0]
    }
