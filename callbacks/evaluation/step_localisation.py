"""Zero-shot localisation of the steps of a task in its videos, as on CrossTask and MiningYouTube."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.evaluation.set_evaluation import SetEvaluation
from callbacks.shared.batches import datamodule, frozen_state, iterate_batches, not_replaced
from callbacks.shared.rows import RowCollection, Rows
from callbacks.shared.set_features import parse_direction, select_feature
from callbacks.shared.tables import Table
from unlabelled.batch import Batch
from unlabelled.data.datasets.evaluation_sets import StepSet
from unlabelled.distributed import gather_rows
from unlabelled.metrics import ordered_steps, pooled_recall, step_hits, video_mean_recall

_TEXT_BATCH = 256


class StepLocalisation(SetEvaluation[StepSet]):
    """Assign one second to each step of the task of a video, in order; count those within the annotation.

    Logs for each set and direction ``val/crosstask/text_to_video+audio/recall``, the mean over tasks of the
    mean over videos, as MCN and EAO do, and ``pooled_recall``, the mean over tasks of the share of all steps
    of the task, as CrossTask does. ``test`` prints a table. In a video with fewer seconds than steps, all
    steps are misses; the number of such videos is logged.

    Args:
        direction: ``text-><features of the segments>``.
        similarity: ``cosine``, or ``dot``, the dot product of the features (MCN).
        log_softmax: Score a second by the log-softmax over the steps of the task; ``null``: as is usual on
            the set, that is, on MiningYouTube only.
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Raises:
        ValueError: An argument is out of its range, the direction cannot be parsed, or features are not
            finite.
        MisconfigurationException: The method has no features with a name, or the data module has no pipeline.

    Source: brian7685/Multimodal-Clustering-Network, eval_cross.py; ninatu/everything_at_once,
    everything_at_once/dataset/crosstask_mining_dataset.py; docs/methods/sspc.md#step-localisation.
    """

    kind = StepSet
    protocol = "step localisation"

    def __init__(
        self,
        direction: str = "text->video+audio",
        similarity: Literal["cosine", "dot"] = "cosine",
        log_softmax: bool | None = None,
        every_n_epochs: int | None = 1,
        before_training: bool = True,
    ) -> None:
        super().__init__(every_n_epochs, before_training)
        self.direction = parse_direction(direction, "StepLocalisation")
        if self.direction.query != "text":
            raise ValueError(
                f"StepLocalisation: direction {direction!r}; steps are texts, expected `text->...`"
            )
        if similarity not in ("cosine", "dot"):
            raise ValueError(f"StepLocalisation: similarity={similarity!r}; expected cosine or dot")
        self.similarity, self.log_softmax = similarity, log_softmax

    @property
    def state_key(self) -> str:
        """Key that differs between callbacks of this class with different options."""
        return self._generate_state_key(direction=str(self.direction), similarity=self.similarity)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        super().setup(trainer, pl_module, stage)
        if stage != "predict" and not hasattr(datamodule(trainer), "active_pipeline"):
            raise MisconfigurationException(
                "StepLocalisation needs a data module with an active_pipeline, to tokenise the texts of steps"
            )

    def start(self, trainer: Trainer, pl_module: LightningModule, evaluation_set: StepSet) -> StepScores:
        """Embed the steps, which are the same for all videos of a task; return an empty collection."""
        steps = embed_steps(trainer, pl_module, evaluation_set, self.direction.query)
        counts = [len(each) for each in evaluation_set.steps]
        return StepScores(steps, counts, self.direction.gallery, self.similarity)

    def score(self, pl_module: LightningModule, evaluation_set: StepSet, rows: Rows) -> Table:
        """Localise the steps of all videos; on each rank, as this takes little time."""
        hits, num_short = [], 0
        log_softmax = evaluation_set.log_softmax if self.log_softmax is None else self.log_softmax
        for video, task, seconds, scores in _videos(rows):
            num_steps = len(evaluation_set.steps[task])
            scores = scores[:, :num_steps].log_softmax(1) if log_softmax else scores[:, :num_steps]
            annotated = evaluation_set.annotation(video)
            if len(scores) < num_steps:
                num_short += 1
                hits.append((0, int(annotated.any(0).sum()), task))
                continue
            localised = seconds.numpy()[ordered_steps(scores.numpy())]
            hits.append((*step_hits(localised, annotated), task))
        counts = np.array(hits, dtype=np.int64).reshape(-1, 3)
        self._log_left_out(evaluation_set, counts, num_short)
        recalls = {"recall": video_mean_recall(*counts.T), "pooled_recall": pooled_recall(*counts.T)}
        return {self.direction.tag: recalls}

    def _log_left_out(self, evaluation_set: StepSet, counts: NDArray[np.int64], num_short: int) -> None:
        num_empty = int((counts[:, 1] == 0).sum())
        if num_short or num_empty:
            message = (
                f", {evaluation_set.name}: of {len(counts)} videos {num_short} have fewer seconds than "
                f"steps, all of which are misses, and {num_empty} have no annotated step and are left out"
            )
            self._messages.log_once(message, f"steps of {evaluation_set.name}")


def embed_steps(trainer: Trainer, module: LightningModule, evaluation_set: StepSet, name: str) -> Tensor:
    """Return the features ``(S, P)`` of all steps of all tasks, one task after the other, on every rank.

    Raises:
        MisconfigurationException: The method has no features with this name.
    """
    data = evaluation_set.step_dataset(datamodule(trainer).active_pipeline)
    loader = DataLoader(data, batch_size=_TEXT_BATCH)
    parts = []
    with frozen_state(module):
        for batch in iterate_batches(trainer, module, loader, f"steps of {evaluation_set.name}"):
            features = module.embed(batch)  # type: ignore[operator]
            parts.append(select_feature(features, name, "StepLocalisation").float())
    return torch.cat(parts)


class StepScores(RowCollection):
    """Similarities of the segments of a set with the steps of their tasks.

    Columns: ``scores (n, K_max)`` float32, of which those beyond the steps of the task are 0; ``video (n,)``,
    number of the video; ``second (n,)``; ``task (n,)``.

    Args:
        steps: ``(S, P)``, features of all steps of all tasks, one task after the other.
        counts: Number of steps of each task.
        name: Name of the features of segments.
        similarity: ``cosine`` or ``dot``.
    """

    def __init__(self, steps: Tensor, counts: list[int], name: str, similarity: str) -> None:
        super().__init__("StepLocalisation")
        self._name, self._similarity = name, similarity
        self._steps = self._prepared(steps)
        positions = torch.arange(max(counts)).expand(len(counts), -1)
        lengths = torch.tensor(counts)
        starts = lengths.cumsum(0) - lengths
        self._exists = (positions < lengths.unsqueeze(1)).to(steps.device)  # (tasks, K_max)
        self._rows_of_steps = (starts.unsqueeze(1) + positions).clamp(max=len(steps) - 1).to(steps.device)

    def add(self, batch: Batch, columns: Mapping[str, Tensor], keep: Tensor | None = None) -> None:
        """Compute and append the similarities of a batch of segments."""
        keep = not_replaced(batch) if keep is None else keep
        segments = self._prepared(select_feature(columns, self._name, self.owner)[keep])
        video, second, task = (batch[name][keep] for name in ("video", "second", "task"))
        with torch.autocast(segments.device.type, enabled=False):
            scores = (segments @ self._steps.T).gather(1, self._rows_of_steps[task])
        scores = torch.where(self._exists[task], scores, 0.0)
        self.append({"scores": scores, "video": video, "second": second, "task": task})
        self.left_out += int((~keep).sum())

    def _prepared(self, features: Tensor) -> Tensor:
        features = features.detach().float()
        return F.normalize(features, dim=1) if self._similarity == "cosine" else features


def _videos(rows: Rows) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """Yield each video of all ranks, on all ranks: number, task, seconds ``(T,)``, scores ``(T, K_max)``."""
    scores, video, second, task = (
        gather_rows(rows.columns[name]).cpu() for name in ("scores", "video", "second", "task")
    )
    order = (video * (int(second.max()) + 1) + second).argsort() if len(video) else video
    numbers, lengths = torch.unique_consecutive(video[order], return_counts=True)
    for number, positions in zip(numbers.tolist(), torch.split(order, lengths.tolist()), strict=True):
        yield number, int(task[positions[0]]), second[positions], scores[positions]
