"""Boxes of annotators around sounding objects, in the file format of Senocak et al. 2018."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import torch
from torch import Tensor

SIDE = 256
"""Side of a frame in the coordinates of the annotations, in pixels, for frames of any size."""


def read_boxes(path: Path) -> Tensor:
    """Return the boxes of all annotators ``(boxes, 4)``: x0, y0, x1, y1 as fractions of the frame.

    Each element ``bbox`` is one: its last four children are xmin, ymin, xmax and ymax in pixels of a frame
    of 256x256. An annotator with several boxes counts several times, as in the published evaluation.

    Raises:
        ValueError: The file is not XML, or has no such box.

    Source: ardasnck/learning_to_localize_sound_source; hche11/Localizing-Visual-Sounds-the-Hard-Way,
        utils.py, ``testset_gt``; docs/methods/dmc.md#sound-localisation.
    """
    try:
        root = ElementTree.parse(path).getroot()
        corners = [[int(child.text or "") for child in list(box)[-4:]] for box in root.iter("bbox")]
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not an annotation ({error}); fetch it again") from error
    if not corners or any(len(box) != 4 for box in corners):
        raise ValueError(f"{path}: expected elements `bbox` that end with xmin, ymin, xmax, ymax")
    return torch.tensor(corners, dtype=torch.float64) / SIDE
