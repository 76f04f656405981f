"""Frame mAP of actions against a plain loop over detections, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unlabelled.metrics.action_detection import FramePrecision, correct_actions

Frame = tuple[Tensor, Tensor, Tensor, Tensor]


def iou(one: list[float], other: list[float]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def plain(frames: list[Frame], action: int) -> float:
    """Return the average precision of one action, detection by detection."""
    ranked: list[tuple[float, bool]] = []
    persons = 0
    for boxes, scores, truth, actions in frames:
        known = [box for box, of_box in zip(truth.tolist(), actions.tolist(), strict=True) if of_box[action]]
        persons += len(known)
        taken = set[int]()
        for row in sorted(range(len(boxes)), key=lambda row: -scores[row, action]):
            overlaps = [iou(boxes[row].tolist(), box) for box in known]
            best = max(range(len(known)), key=overlaps.__getitem__, default=-1)
            good = best >= 0 and overlaps[best] >= 0.5 and best not in taken
            taken |= {best} if good else set()
            ranked.append((float(scores[row, action]), good))
    if persons == 0:
        return math.nan
    ranked.sort(key=lambda each: -each[0])
    hits = np.cumsum([good for _, good in ranked])
    precision, recall = hits / np.arange(1, len(ranked) + 1), hits / persons
    area, last = 0.0, 0.0
    for rank, reached in enumerate(recall):
        area += (reached - last) * precision[rank:].max()
        last = reached
    return float(area)


def random_frames(seed: int) -> list[Frame]:
    rng = np.random.default_rng(seed)

    def boxes(count: int) -> Tensor:
        corners, sizes = rng.uniform(0, 0.3, (count, 2)), rng.uniform(0.3, 0.6, (count, 2))
        return torch.from_numpy(np.hstack([corners, corners + sizes]))

    frames = []
    for _ in range(30):
        found, known = rng.integers(0, 5, 2)
        scores, actions = rng.random((found, 4)), rng.random((known, 4)) < [0.6, 0.3, 0.1, 0.0]
        frames.append(
            (boxes(found), torch.from_numpy(scores).float(), boxes(known), torch.from_numpy(actions))
        )
    return frames


@pytest.mark.parametrize("seed", range(5))
def test_precision_is_that_of_a_plain_loop(seed: int) -> None:
    frames, metric = random_frames(seed), FramePrecision(4)
    for frame in frames:
        metric.update(*frame)
    expected = [plain(frames, action) for action in range(4)]
    assert metric.compute().tolist() == pytest.approx(expected, nan_ok=True)
    assert math.isnan(expected[3])


def test_a_second_box_of_a_person_is_an_error_and_missed_persons_count() -> None:
    box = torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    boxes, scores = box.repeat(2, 1), torch.tensor([[0.3], [0.8]])
    assert correct_actions(boxes, scores, box, torch.tensor([[True]])).tolist() == [[False], [True]]
    metric = FramePrecision(1)
    metric.update(boxes, scores, torch.cat([box, box + 0.4]), torch.tensor([[True], [True]]))
    assert metric.compute().item() == 0.5  # one of two persons, before any error


def test_boxes_without_area_and_frames_without_boxes() -> None:
    metric = FramePrecision(1)
    metric.update(torch.zeros(1, 4), torch.ones(1, 1), torch.ones(0, 4), torch.zeros(0, 1).bool())
    metric.update(torch.zeros(0, 4), torch.ones(0, 1), torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[True]]))
    assert metric.compute().item() == 0.0
