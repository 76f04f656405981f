"""Mean average precision of actions that are detected in frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torchvision.ops import box_iou

from unlabelled.distributed import all_reduce_sum_, gather_rows
from unlabelled.metrics.average_precision import average_precision


def correct_actions(
    boxes: Tensor, scores: Tensor, truth: Tensor, actions: Tensor, threshold: float = 0.5
) -> Tensor:
    """Return ``(n, C)``: whether a box of a frame is the best detection of a person with this action.

    For each action, a box stands for the annotated person with the action whom it overlaps most, if the
    intersection is at least ``threshold`` of the union. Of several boxes of one person the one with the
    highest score is correct, of equal ones the first; the others are errors.

    Args:
        boxes: Detected boxes ``(n, 4)``: left, top, right, bottom.
        scores: ``(n, C)``, a score of each action.
        truth: Annotated boxes ``(m, 4)``.
        actions: ``(m, C)`` bool, their actions.
        threshold: Smallest intersection over union.
    """
    if len(boxes) == 0 or len(truth) == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    overlaps = box_iou(boxes, truth)[:, None].expand(-1, scores.shape[1], -1)
    overlap, person = overlaps.masked_fill(~actions.T[None], -1.0).max(-1)
    order = scores.argsort(dim=0, descending=True, stable=True)
    person, hit = person.gather(0, order), (overlap >= threshold).gather(0, order)
    claims = one_hot(person, len(truth)).bool() & hit[..., None]
    first = claims & (claims.cumsum(0) == 1)
    return torch.zeros_like(hit).scatter_(0, order, first.any(-1))


class FramePrecision:
    """Average precision of each action over all frames of all ranks: the frame mAP of AVA is its mean.

    Boxes without area are left out, as are actions that no person has; the number of persons with the action
    is the denominator of the recall, detected or not.

    Args:
        num_actions: C.
        threshold: Smallest intersection over union of a correct box.

    Source: activitynet/ActivityNet, Evaluation/ava; docs/methods/sce.md#action-detection.
    """

    def __init__(self, num_actions: int, threshold: float = 0.5) -> None:
        self.num_actions, self.threshold = num_actions, threshold
        self._scores: list[Tensor] = []
        self._correct: list[Tensor] = []
        self._persons: list[Tensor] = []

    def reset(self) -> None:
        """Forget all frames."""
        for rows in (self._scores, self._correct, self._persons):
            rows.clear()

    def update(self, boxes: Tensor, scores: Tensor, truth: Tensor, actions: Tensor) -> None:
        """Add a frame; see :func:`correct_actions`."""
        whole = (boxes[:, 2:] > boxes[:, :2]).all(1)
        boxes, scores = boxes[whole].double(), scores[whole].float()
        self._scores.append(scores)
        self._correct.append(correct_actions(boxes, scores, truth.double(), actions, self.threshold))
        self._persons.append(actions.sum(0, keepdim=True))

    def compute(self, device: torch.device | str = "cpu") -> Tensor:
        """Return the average precision of each action ``(C,)``, equal on all ranks; on the CPU.

        It is NaN for actions that no person has.

        Args:
            device: Where tensors of several ranks are exchanged; that of the frames.
        """
        none = torch.zeros(0, self.num_actions, device=device)  # a rank may have no frame
        scores = gather_rows(torch.cat([none, *self._scores])).cpu()
        correct = gather_rows(torch.cat([none, *self._correct])).cpu()
        persons = all_reduce_sum_(torch.cat([none, *self._persons]).sum(0, dtype=torch.float64)).cpu()
        area = torch.tensor(
            [average_precision(*columns) for columns in zip(scores.T, correct.T, strict=True)]
        )
        found = correct.sum(0, dtype=torch.float64)
        recalled = (area * found / persons).masked_fill(found == 0, 0.0)  # nothing beyond the last recall
        return recalled.masked_fill(persons == 0, torch.nan)
