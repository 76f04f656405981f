"""Zero-shot localisation of the steps of a task in its videos, the evaluation of CrossTask."""

from __future__ import annotations

from typing import Literal

import numpy as np
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray

from callbacks.evaluation.set_evaluation import SetEvaluation
from callbacks.evaluation.step_scores import StepRows, StepScores, embed_steps
from callbacks.shared.batches import datamodule
from callbacks.shared.directions import parse_direction
from callbacks.shared.tables import Table
from unlabelled.data.datasets.evaluation_sets import StepSet
from unlabelled.metrics import ordered_steps, pooled_recall, step_hits, video_mean_recall


class StepLocalisation(SetEvaluation[StepSet, StepRows]):
    """Assign one second to each step of a video's task, in order, and count those within their annotation.

    Logged per set and direction: ``val/crosstask/text_to_video+audio/recall``, the mean over tasks of the
    mean over videos, as MCN and EAO count, and ``pooled_recall``, the mean over tasks of the share of all its
    steps, as CrossTask does. ``test`` prints a table. In a video with fewer seconds than steps no step counts
    as found; such videos are counted and reported.

    Args:
        direction: ``text-><features of the segments>``.
        similarity: ``cosine``, or ``dot``: of the features as they are (MCN).
        log_softmax: Score a second by the log-softmax over the task's steps, as is usual on MiningYouTube.
        every_n_epochs: Validations of ``fit`` that do this; ``null``: none.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: What is not a direction, or features that are not finite.
        MisconfigurationException: The method has no features of a name, or the data module no view.

    Source: brian7685/Multimodal-Clustering-Network, eval_cross.py; ninatu/everything_at_once,
    everything_at_once/dataset/crosstask_mining_dataset.py; docs/methods/sspc.md#step-localisation.
    """

    kind = StepSet
    protocol = "step localisation"

    def __init__(
        self,
        direction: str = "text->video+audio",
        similarity: Literal["cosine", "dot"] = "cosine",
        log_softmax: bool = False,
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
        """Key that differs between several of these callbacks."""
        return self._generate_state_key(direction=str(self.direction), similarity=self.similarity)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at the start that there is something to score."""
        super().setup(trainer, pl_module, stage)
        if stage != "predict" and not hasattr(datamodule(trainer), "active_pipeline"):
            raise MisconfigurationException(
                "StepLocalisation needs a data module with an active_pipeline, which makes tensors of the steps"
            )

    def start(self, trainer: Trainer, pl_module: LightningModule, chosen: StepSet) -> StepScores:
        """Embed the steps; they are the same for all videos of a task."""
        steps = embed_steps(trainer, pl_module, chosen, self.direction.query)
        counts = [len(each) for each in chosen.steps]
        return StepScores(steps, counts, self.direction.gallery, self.similarity)

    def score(self, pl_module: LightningModule, chosen: StepSet, rows: StepRows) -> Table:
        """Localise the steps of all videos, on each rank, as this takes little time."""
        found, short = [], 0
        for video, task, seconds, scores in rows.by_video():
            num_steps = len(chosen.steps[task])
            part = scores[:, :num_steps]
            part = part.log_softmax(1) if self.log_softmax else part
            annotated = chosen.annotation(video)
            if len(part) < num_steps:
                short += 1
                found.append((0, int(annotated.any(0).sum()), task))
                continue
            places = seconds.numpy()[ordered_steps(part.numpy())]
            found.append((*step_hits(places, annotated), task))
        counts = np.array(found, dtype=np.int64).reshape(-1, 3)
        self._tell(chosen, counts, short)
        recalls = {"recall": video_mean_recall(*counts.T), "pooled_recall": pooled_recall(*counts.T)}
        return {self.direction.tag: recalls}

    def _tell(self, chosen: StepSet, counts: NDArray[np.int64], short: int) -> None:
        empty = int((counts[:, 1] == 0).sum())
        if (short or empty) and (told := f"steps of {chosen.name}") not in self._told:
            self._told.add(told)
            rank_zero_info(
                f"StepLocalisation, {chosen.name}: of {len(counts)} videos {short} have fewer seconds than "
                f"steps, so that none is found, and {empty} show no step and do not count"
            )
