"""cIoU of the clips of one rank, and of a box in the middle of their frames."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from callbacks.shared.batches import not_replaced
from unlabelled.batch import Batch
from unlabelled.contracts import HasBoxes
from unlabelled.distributed import all_reduce_sum_, gather_rows
from unlabelled.losses.sound_maps import Localised
from unlabelled.metrics.localisation import (
    Threshold,
    consensus_iou,
    consensus_map,
    detected,
    normalised_maps,
    success_area,
    success_rates,
)

_HALF = 10  # where the success rates are those of a cIoU of 0.5


class Scored(NamedTuple):
    """The compared clips of a batch.

    Attributes:
        rows: ``(n,)``, rows of the batch.
        maps: ``(n, size, size)``, in 0 to 1.
        claimed: ``(n, size, size)`` bool.
        boxes: ``(annotators, 4)`` of each.
        overlaps: ``(n,)`` cIoU.
    """

    rows: Tensor
    maps: Tensor
    claimed: Tensor
    boxes: list[Tensor]
    overlaps: Tensor


class LocalisedClips:
    """Collector of boxes and cIoU, batch by batch.

    Args:
        data: Returns the boxes.
        split: The split of the batches.
        threshold: See :func:`~unlabelled.metrics.localisation.detected`, as for ``level``.
        level: Likewise.
        size: Height and width at which maps and boxes are compared.
    """

    def __init__(self, data: HasBoxes, split: str, threshold: Threshold, level: float, size: int) -> None:
        self.data, self.split, self.size = data, split, size
        self.threshold, self.level = threshold, level
        self.left_out = 0
        self._boxes: list[Tensor] = []
        self._overlaps: list[Tensor] = []

    def add(self, batch: Batch, found: Localised) -> Scored:
        """Compare the maps of a batch with the boxes at the time of each frame.

        Raises:
            ValueError: The batch has no ``frame_second``.
        """
        if "frame_second" not in batch:
            raise ValueError(
                "Localisation: the batches do not say when their frame is shown (frame_second), and may show "
                "a part of it; use unlabelled.pipelines.FrameAndAudio as the view"
            )
        rows = not_replaced(batch).nonzero().squeeze(1)
        self.left_out += len(batch["replaced"]) - len(rows)
        moments = zip(batch["index"][rows].tolist(), batch["frame_second"][rows].tolist(), strict=True)
        boxes = [self.data.boxes(self.split, row, second) for row, second in moments]
        maps = self._scaled(found.maps[rows])
        claimed = detected(maps, self.threshold, self.level)
        overlaps = consensus_iou(claimed, self._consensus(boxes, maps.device))
        self._boxes += boxes
        self._overlaps.append(overlaps)
        return Scored(rows, maps, claimed, boxes, overlaps)

    def scores(self) -> dict[str, float]:
        """Return ``ciou``, ``ciou_mean`` and ``ciou_auc`` of the clips of all ranks."""
        return _summary(self.overlaps())

    def centred(self) -> dict[str, float]:
        """Return the same of a box in the middle of each frame."""
        return _summary(self.centred_overlaps())

    def overlaps(self) -> Tensor:
        """Return the cIoU ``(n,)`` of the clips of all ranks."""
        mine = self._overlaps or [torch.zeros(0, dtype=torch.float64)]
        return gather_rows(torch.cat(mine))

    def centred_overlaps(self) -> Tensor:
        """Return the cIoU ``(n,)`` of a centred box with the mean width and height over all ranks."""
        device = self._overlaps[0].device if self._overlaps else torch.device("cpu")
        width, height = self._mean_sides(device)
        box = torch.tensor([[0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2]])
        claimed = consensus_map(box, (self.size, self.size), agreement=1.0) > 0
        mine = [self._overlap_with(claimed, boxes) for boxes in self._boxes]
        return gather_rows(torch.tensor(mine, dtype=torch.float64, device=device))

    def left_out_everywhere(self) -> int:
        """Return the number of unreadable clips that were left out, of all ranks."""
        device = self._overlaps[0].device if self._overlaps else torch.device("cpu")
        return int(all_reduce_sum_(torch.tensor(self.left_out, device=device)))

    def _overlap_with(self, claimed: Tensor, boxes: Tensor) -> float:
        return float(consensus_iou(claimed[None], self._consensus([boxes], claimed.device)))

    def _consensus(self, boxes: list[Tensor], device: torch.device) -> Tensor:
        size, agreement = (self.size, self.size), self.data.box_agreement
        maps = [consensus_map(each, size, agreement) for each in boxes]
        return torch.stack(maps).to(device) if maps else torch.zeros(0, *size, device=device)

    def _mean_sides(self, device: torch.device) -> tuple[float, float]:
        corners = torch.cat(self._boxes).double() if self._boxes else torch.zeros(0, 4, dtype=torch.float64)
        sums = [(corners[:, 2] - corners[:, 0]).sum(), (corners[:, 3] - corners[:, 1]).sum()]
        count = torch.tensor(float(len(corners)), dtype=torch.float64)
        width, height, total = all_reduce_sum_(torch.stack([*sums, count]).to(device)).tolist()
        return width / max(total, 1), height / max(total, 1)

    def _scaled(self, maps: Tensor) -> Tensor:
        size = (self.size, self.size)
        scaled = F.interpolate(maps.float().unsqueeze(1), size, mode="bilinear", align_corners=False)
        return normalised_maps(scaled.squeeze(1))


def _summary(overlaps: Tensor) -> dict[str, float]:
    if len(overlaps) == 0:
        raise ValueError("Localisation: there is no clip to evaluate")
    return {
        "ciou": float(success_rates(overlaps)[_HALF]),
        "ciou_mean": float(overlaps.mean()),
        "ciou_auc": success_area(overlaps),
    }
