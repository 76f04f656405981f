"""Figures of the anchors, and metrics that show their collapse."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.figures.anchor_panels import draw_cases, draw_categories
from callbacks.figures.set_figures import SetFigures
from callbacks.shared.batches import not_replaced
from callbacks.shared.rows import RowCollection, Rows, gather
from unlabelled.batch import Batch
from unlabelled.contracts import AssignsAnchors
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.distributed import all_reduce_sum_
from unlabelled.visualization.anchor_codes import binary_codes, usage_entropy

_HIGH = 0.3  # a cosine that random directions rarely have
_SCORES, _PRESENT, _CODES = "scores", "present", "codes"


class AnchorFigures(SetFigures):
    """Draw the anchors of samples and the categories of anchors, for each evaluation set.

    Figures: pairs of samples with similar and with different codes, a confusing sample, and the categories
    of the most selective anchors and pairs of anchors. Text: the top categories of every anchor. Categories
    require labels; for a set without labels only the pairs are drawn.

    Each evaluation logs for each set and modality, over the same samples,
    ``val/<set>/anchors/<modality>/usage_entropy``, the uniformity of the use of the anchors, from 0 (the same
    anchors for all samples) to 1, where a sample uses the K' anchors of the largest similarity (balanced
    assignments would hide a collapse); ``.../score_std``, the mean over anchors of the standard deviation
    over samples; and ``.../score_above_0.3``, the share of similarities above 0.3 in absolute value.

    Args:
        every_n_epochs: Epochs between two sets of figures in ``fit``, whose last epoch is drawn too;
            ``validate`` and ``test`` always draw.
        max_samples: Largest number of samples of each set, which are evenly spread over it; every rank holds
            them.

    Raises:
        ValueError: A number is below 1.
        MisconfigurationException: The method assigns no anchors
            (:class:`unlabelled.contracts.AssignsAnchors`), or the data module has no evaluation sets.

    Source: SSPC supplement, section 4, Figures 1 to 4 and Table 8; docs/methods/sspc.md#anchors and #traps.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/*/anchors/*/*",)

    def __init__(self, every_n_epochs: int = 10, max_samples: int = 2000) -> None:
        super().__init__(every_n_epochs)
        self.check_positive(max_samples=max_samples)
        self.max_samples = max_samples
        self._collections: list[AnchorCollection] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        super().setup(trainer, pl_module, stage)
        self.require(pl_module, AssignsAnchors, "that assigns anchors")

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Create an empty collection for each set."""
        sets = [] if trainer.sanity_checking else self.sets(trainer)
        self._collections = [AnchorCollection(each, self.max_samples) for each in sets]

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the scores of some samples of a batch."""
        if self._collections:
            self._collections[dataloader_idx].add(batch, outputs["anchor_scores"])

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the metrics, and draw the figures if they are due."""
        assert isinstance(pl_module, AssignsAnchors)
        due = self.times.is_now(trainer)
        for collection in self._collections:
            rows = collection.finish(pl_module, due)
            if rows is None:
                self.messages.log_once(f": {collection.evaluation_set.name} has no samples to draw")
                continue
            self._log(trainer, pl_module, collection.evaluation_set.name, rows)
            if due and trainer.is_global_zero:
                self._draw(trainer, collection.evaluation_set, rows, pl_module.num_assigned)
        self._collections = []

    on_test_epoch_end = on_validation_epoch_end

    def _log(self, trainer: Trainer, pl_module: Any, name: str, rows: AnchorRows) -> None:
        for modality, scores in rows.scores.items():
            present = scores[rows.present[modality]]
            if len(present) == 0:
                self.messages.log_once(f": no sample of {name} has {modality}")
                continue
            for key, value in _spread(present, pl_module.num_assigned).items():
                pl_module.log(f"{self.stage(trainer)}/{name}/anchors/{modality}/{key}", value, sync_dist=True)

    def _draw(
        self, trainer: Trainer, evaluation_set: EvaluationSet, rows: AnchorRows, num_assigned: int
    ) -> None:
        codes = {}
        for modality, soft in rows.codes.items():
            present = rows.present[modality].numpy()
            if present.any():
                codes[modality] = binary_codes(soft.numpy(), num_assigned) & present[:, None]
        if not codes:
            return
        labels = rows.labels.numpy()
        draw_cases(trainer, evaluation_set, rows.index.tolist(), codes, labels)
        if (labels >= 0).any():
            for modality, code in codes.items():
                draw_categories(trainer, evaluation_set, modality, code, labels)


def _spread(scores: Tensor, num_assigned: int) -> dict[str, float]:
    nearest = binary_codes(scores.numpy(), num_assigned)
    return {
        "usage_entropy": usage_entropy(nearest),
        "score_std": float(scores.std(0, correction=0).mean()),
        "score_above_0.3": float((scores.abs() > _HIGH).float().mean()),
    }


@dataclass(frozen=True)
class AnchorRows:
    """Samples of one evaluation set, of all ranks, in the order of the set, on the CPU.

    Attributes:
        index: ``(n,)``, rows of the set.
        labels: ``(n,)``, -1 where there is none.
        scores: ``{modality: (n, K)}`` float32.
        present: ``{modality: (n,)}`` bool, false where the sample lacks the modality.
        codes: ``{modality: (n, K)}`` soft codes, zero where the sample lacks the modality; empty if there are
            no codes.
    """

    index: Tensor
    labels: Tensor
    scores: dict[str, Tensor]
    present: dict[str, Tensor]
    codes: dict[str, Tensor]


class AnchorCollection:
    """Scores of evenly spread samples of one evaluation set, at most ``max_samples``.

    The samples depend on the size of the set only, not on batches or ranks. Replaced samples are left out.
    """

    def __init__(self, evaluation_set: EvaluationSet, max_samples: int) -> None:
        self.evaluation_set = evaluation_set
        self._every = max(1, math.ceil(len(evaluation_set) / max_samples))
        self._rows = RowCollection(f"AnchorFigures, {evaluation_set.name}")

    def add(self, batch: Batch, scores: dict[str, Tensor]) -> None:
        """Store the scores ``{modality: (B, K)}`` of some samples of a batch."""
        columns = {}
        for modality, score in scores.items():
            columns[f"{_SCORES}/{modality}"] = score.float()
            columns[f"{_PRESENT}/{modality}"] = _is_present(batch, modality)
        self._rows.add(batch, columns, not_replaced(batch) & (batch["index"] % self._every == 0))

    def finish(self, module: AssignsAnchors, assign: bool) -> AnchorRows | None:
        """Return the rows of all ranks on each rank; None if there are none.

        Args:
            module: The method, which assigns the anchors to the samples of all ranks that have the modality.
            assign: Whether to compute codes.

        Raises:
            ValueError: This rank had no batch.
        """
        rows = self._rows.finish()
        if assign:
            for modality, scores in _of_kind(rows, _SCORES).items():
                present = rows.columns[f"{_PRESENT}/{modality}"]
                rows.columns[f"{_CODES}/{modality}"] = _codes(module, scores, present)
        rows = gather(rows).to(torch.device("cpu"))
        if len(rows) == 0:
            return None
        return AnchorRows(
            rows.index, rows.labels, *(_of_kind(rows, kind) for kind in (_SCORES, _PRESENT, _CODES))
        )


def _of_kind(rows: Rows, kind: str) -> dict[str, Tensor]:
    """Return the columns ``<kind>/<modality>`` by modality."""
    names = [name.partition("/") for name in rows.columns]
    return {modality: rows.columns[f"{kind}/{modality}"] for first, _, modality in names if first == kind}


def _is_present(batch: Batch, modality: str) -> Tensor:
    """Return the mask ``(B,)`` of samples that have a modality; without a mask in the batch all have it."""
    mask: Any = batch.get(f"{modality}_mask")
    if mask is None:
        return torch.ones_like(batch["index"], dtype=torch.bool)
    return mask.flatten(1).any(1)  # type: ignore[no-any-return]


def _codes(module: AssignsAnchors, scores: Tensor, present: Tensor) -> Tensor:
    codes = torch.zeros_like(scores)
    if int(all_reduce_sum_(present.sum())) > 0:
        codes[present] = module.assign_anchors(scores[present]).to(codes.dtype)
    return codes
