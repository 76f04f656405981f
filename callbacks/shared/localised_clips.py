"""cIoU of the localisation maps of clips, and of a box in the centre of their frames."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from callbacks.shared.batches import not_replaced
from callbacks.shared.finite_maps import FiniteMaps
from callbacks.shared.rows import RowCollection
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

_HALF = 10  # position of the success rate at a cIoU of 0.5


class ScoredMaps(NamedTuple):
    """The maps of a batch that were compared with boxes.

    Attributes:
        rows: ``(n,)``, positions in the batch.
        maps: ``(n, size, size)``, in 0 to 1.
        claimed: ``(n, size, size)`` bool, the pixels above the threshold.
        boxes: ``(annotators, 4)`` of each clip.
        overlaps: ``(n,)`` cIoU.
    """

    rows: Tensor
    maps: Tensor
    claimed: Tensor
    boxes: list[Tensor]
    overlaps: Tensor


class Overlaps(NamedTuple):
    """cIoU of the clips of all ranks.

    Attributes:
        maps: ``(n,)`` float64, of the maps.
        centred: ``(n,)`` float64, of a box in the centre of each frame, with the mean width and height of all
            boxes.
        left_out: Number of clips that are left out, as they could not be read.
    """

    maps: Tensor
    centred: Tensor
    left_out: int


class LocalisedClips:
    """Compare localisation maps with the boxes of annotators, batch by batch.

    Args:
        data: The data module, which has the boxes.
        split: The split of the batches.
        threshold: As in :func:`~unlabelled.metrics.localisation.detected`.
        level: As in :func:`~unlabelled.metrics.localisation.detected`.
        size: Height and width at which maps and boxes are compared.
    """

    def __init__(self, data: HasBoxes, split: str, threshold: Threshold, level: float, size: int) -> None:
        self.data, self.split, self.size = data, split, size
        self.threshold, self.level = threshold, level
        self._boxes: list[Tensor] = []
        self._rows = RowCollection("Localisation")
        self._finite = FiniteMaps()

    def add(self, batch: Batch, localised: Localised) -> ScoredMaps:
        """Compare the maps of a batch with the boxes at the time of each frame.

        Raises:
            ValueError: The batch has no ``frame_second``.
        """
        if "frame_second" not in batch:
            raise ValueError(
                "Localisation: the batches do not contain the time of their frames (frame_second), and may "
                "contain parts of frames; use unlabelled.pipelines.FrameAndAudio as the pipeline"
            )
        rows = not_replaced(batch).nonzero().squeeze(1)
        self._rows.left_out += len(batch["replaced"]) - len(rows)
        times = zip(batch["index"][rows].tolist(), batch["frame_second"][rows].tolist(), strict=True)
        boxes = [self.data.boxes(self.split, row, second) for row, second in times]
        maps = self._scaled(localised.maps[rows])
        claimed = detected(maps, self.threshold, self.level)
        overlaps = consensus_iou(claimed, self._consensus(boxes, maps.device))
        self._boxes += boxes
        self._rows.append({"overlap": overlaps})
        return ScoredMaps(rows, maps, claimed, boxes, overlaps)

    def finish(self) -> Overlaps:
        """Return the cIoU of the clips of all ranks, and remove them.

        Raises:
            ValueError: A map of any rank holds NaN or infinity.
        """
        left_out = self._rows.left_out
        if self._rows.is_empty:
            self._rows.append({"overlap": torch.zeros(0, dtype=torch.float64)})
        overlaps = self._rows.finish().columns["overlap"]
        self._finite.check(overlaps.device)
        width, height = self._mean_sides(overlaps.device)
        box = torch.tensor([[0.5 - width / 2, 0.5 - height / 2, 0.5 + width / 2, 0.5 + height / 2]])
        claimed = consensus_map(box, (self.size, self.size), agreement=1.0) > 0
        centred = [
            float(consensus_iou(claimed[None], self._consensus([boxes], claimed.device)))
            for boxes in self._boxes
        ]
        self._boxes = []
        return Overlaps(
            gather_rows(overlaps),
            gather_rows(torch.tensor(centred, dtype=torch.float64, device=overlaps.device)),
            int(all_reduce_sum_(torch.tensor(left_out, device=overlaps.device))),
        )

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
        scaled = F.interpolate(
            self._finite.add(maps.float()).unsqueeze(1), size, mode="bilinear", align_corners=False
        )
        return normalised_maps(scaled.squeeze(1))


def overlap_scores(overlaps: Tensor) -> dict[str, float]:
    """Return ``ciou``, the share of at least 0.5, ``ciou_mean`` and ``ciou_auc`` of cIoU ``(n,)``.

    >>> scores = overlap_scores(torch.tensor([0.25, 0.75], dtype=torch.float64))
    >>> scores["ciou"], scores["ciou_mean"]
    (0.5, 0.5)

    Raises:
        ValueError: There are none.
    """
    if len(overlaps) == 0:
        raise ValueError("Localisation: there is no clip to evaluate")
    return {
        "ciou": float(success_rates(overlaps)[_HALF]),
        "ciou_mean": float(overlaps.mean()),
        "ciou_auc": success_area(overlaps),
    }
