"""Scores of a video's seconds with the steps of its task, which is all that localising them needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.shared.batches import datamodule, frozen_state, iterate_batches, not_replaced
from callbacks.shared.set_rows import Collection, chosen_feature
from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.evaluation_sets import StepSet
from unlabelled.distributed import gather_rows

_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class StepRows:
    """One rank's segments.

    Attributes:
        scores: ``(n, K_max)`` float32, with the steps of the segment's task; what is beyond them is 0.
        video: ``(n,)``, number of the video.
        second: ``(n,)``.
        task: ``(n,)``.
        replaced: Segments of this rank that could not be read; they are not among the rows.
    """

    scores: Tensor
    video: Tensor
    second: Tensor
    task: Tensor
    replaced: int

    def __len__(self) -> int:
        return len(self.video)

    def by_video(self) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """Yield each video of all ranks, on all: number, task, seconds ``(T,)``, scores ``(T, K_max)``."""
        scores, video, second, task = (
            gather_rows(part).cpu() for part in (self.scores, self.video, self.second, self.task)
        )
        order = (video * (int(second.max()) + 1) + second).argsort() if len(video) else video
        numbers, lengths = torch.unique_consecutive(video[order], return_counts=True)
        for number, rows in zip(numbers.tolist(), torch.split(order, lengths.tolist()), strict=True):
            yield number, int(task[rows[0]]), second[rows], scores[rows]


class StepScores(Collection[StepRows]):
    """Compares each segment with the steps of its own task, and forgets its features.

    Args:
        steps: ``(S, P)``, features of all steps of all tasks, one after the other.
        counts: Steps of each task.
        name: Of the segments' features.
        similarity: ``cosine`` or ``dot``.
    """

    def __init__(self, steps: Tensor, counts: list[int], name: str, similarity: str) -> None:
        self._name, self._similarity = name, similarity
        self._steps = self._prepared(steps)
        places = torch.arange(max(counts)).expand(len(counts), -1)
        lengths = torch.tensor(counts)
        starts = lengths.cumsum(0) - lengths
        self._known = (places < lengths.unsqueeze(1)).to(steps.device)  # (tasks, K_max)
        self._where = (starts.unsqueeze(1) + places).clamp(max=len(steps) - 1).to(steps.device)
        self._parts: list[tuple[Tensor, ...]] = []
        self._replaced = 0

    def add(self, batch: Batch, features: Features) -> None:
        """Append the segments of a batch."""
        keep = not_replaced(batch)
        segments = self._prepared(chosen_feature(features, self._name, "StepLocalisation")[keep])
        task = batch["task"][keep]
        with torch.autocast(segments.device.type, enabled=False):
            scores = (segments @ self._steps.T).gather(1, self._where[task])
        columns = (
            torch.where(self._known[task], scores, 0.0),
            batch["video"][keep],
            batch["second"][keep],
            task,
        )
        self._parts.append(columns)
        self._replaced += int((~keep).sum())

    def finish(self) -> StepRows:
        """Return all rows.

        Raises:
            ValueError: This rank had no batch.
        """
        if not self._parts:
            raise ValueError("evaluation: a process has no segments; use fewer processes than segments")
        scores, video, second, task = (torch.cat(column) for column in zip(*self._parts, strict=True))
        return StepRows(scores, video, second, task, self._replaced)

    def _prepared(self, rows: Tensor) -> Tensor:
        rows = rows.detach().float()
        return F.normalize(rows, dim=1) if self._similarity == "cosine" else rows


def embed_steps(trainer: Trainer, module: LightningModule, chosen: StepSet, name: str) -> Tensor:
    """Return the features ``(S, P)`` of all steps of all tasks, one after the other, on every rank.

    Raises:
        MisconfigurationException: The method has no such features.
    """
    data = chosen.step_dataset(datamodule(trainer).active_pipeline)
    loader = DataLoader(data, batch_size=_TEXTS_AT_ONCE)
    parts = []
    with frozen_state(module):
        for batch in iterate_batches(trainer, module, loader, f"steps of {chosen.name}"):
            features = module.embed(batch)  # type: ignore[operator]
            parts.append(chosen_feature(features, name, "StepLocalisation").float())
    return torch.cat(parts)
