"""A tiny data set in the format and layout of COCO."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = ("square", "disk")
_IDS = (3, 18)  # official numbers have gaps
SIDE = 96


def coco(root: Path, train: int = 4, val: int = 2) -> Path:
    """Write images with one or two coloured rectangles; the last image of each split has none."""
    for split, count in (("train2017", train), ("val2017", val)):
        images, annotations = [], list[dict[str, Any]]()
        (root / split).mkdir(parents=True)
        for number in range(count + 1):
            pixels = np.full((SIDE, SIDE + 16, 3), 30, np.uint8)
            for box in range(0 if number == count else 1 + number % 2):
                left, top, wide, high = 8 + 40 * box, 10 + 4 * number, 36, 30
                pixels[top : top + high, left : left + wide] = (220, 40, 40) if box == 0 else (40, 220, 40)
                corners = [left, top, left + wide, top, left + wide, top + high, left, top + high]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": 100 + number,
                        "category_id": _IDS[box],
                        "bbox": [left, top, wide, high],
                        "area": wide * high,
                        "segmentation": [corners],
                        "iscrowd": 0,
                    }
                )
            name = f"{number:012d}.jpg"
            Image.fromarray(pixels).save(root / split / name)
            images.append({"id": 100 + number, "file_name": name, "height": SIDE, "width": SIDE + 16})
        categories = [{"id": number, "name": name} for number, name in zip(_IDS, CLASSES, strict=True)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        path = root / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return root
