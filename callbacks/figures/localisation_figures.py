"""Figures of sound localisation for some clips of a test."""

from __future__ import annotations

import math

from lightning import Trainer
from torch import Tensor

from callbacks.figures.clip_figures import to_pixels
from callbacks.shared.batches import datamodule
from callbacks.shared.localised_clips import ScoredMaps
from callbacks.shared.loggers import publish
from unlabelled.batch import Batch
from unlabelled.contracts import Labelled
from unlabelled.losses.sound_maps import Localised
from unlabelled.visualization.localisation import (
    LocalisedFrame,
    localisation_clusters,
    localisation_overlays,
    success_curves,
)


class LocalisationFigures:
    """Figures of some clips of rank 0, evenly spread over the split.

    They are ``localisation_overlays`` (frame, map and boxes), ``localisation_clusters`` (one panel per
    cluster) and ``localisation_success`` (share of clips over thresholds).

    Args:
        count: Number of clips.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.reset()

    def reset(self) -> None:
        """Remove the stored clips."""
        self._frames: list[LocalisedFrame] = []

    def add(
        self, trainer: Trainer, batch: Batch, batch_idx: int, localised: Localised, scored: ScoredMaps
    ) -> None:
        """Store the evenly spread clips of a batch."""
        if self.count == 0 or not trainer.is_global_zero:
            return
        size = len(batch["index"])
        every = max(1, math.ceil(int(trainer.num_test_batches[0]) * size / self.count))
        for number, row in enumerate(scored.rows.tolist()):
            if (batch_idx * size + row) % every == 0 and len(self._frames) < self.count:
                self._frames.append(_frame(trainer, batch, row, localised, scored, number))

    def draw(self, trainer: Trainer, overlaps: dict[str, Tensor]) -> None:
        """Publish the figures; ``overlaps`` are the cIoU of all clips, by name of the maps."""
        if not trainer.is_global_zero or self.count == 0:
            return
        curves = {name: values.double().cpu().numpy() for name, values in overlaps.items()}
        publish(trainer, "localisation_success", success_curves(curves))
        if self._frames:
            publish(trainer, "localisation_overlays", localisation_overlays(self._frames))
            publish(trainer, "localisation_clusters", localisation_clusters(self._frames))


def _frame(
    trainer: Trainer, batch: Batch, row: int, localised: Localised, scored: ScoredMaps, number: int
) -> LocalisedFrame:
    (pixels,) = to_pixels(trainer, batch["image"][row : row + 1])
    name = _class_name(trainer, int(batch["label"][row]))
    return LocalisedFrame(
        title=f"{name}cIoU {float(scored.overlaps[number]):.2f}",
        pixels=pixels.permute(1, 2, 0).cpu().numpy(),
        heat=scored.maps[number].double().cpu().numpy(),
        claimed=scored.claimed[number].cpu().numpy(),
        clusters=localised.cluster_maps[row].double().cpu().numpy(),
        boxes=scored.boxes[number].double().numpy(),
    )


def _class_name(trainer: Trainer, label: int) -> str:
    data = datamodule(trainer)
    known = isinstance(data, Labelled) and 0 <= label < len(data.class_names)
    return f"{data.class_names[label]}\n" if known else ""
