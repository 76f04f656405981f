"""Figures of the anchors, in TensorBoard and as PNG files, and numbers that show their collapse."""

from __future__ import annotations

from typing import Any

from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.figures.anchor_panels import draw_cases, draw_categories
from callbacks.figures.anchor_rows import AnchorCollection, AnchorRows
from callbacks.figures.set_figures import SetFigures
from unlabelled.contracts import AssignsAnchors
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.visualization.anchor_codes import binary_codes, usage_entropy

_HIGH = 0.3  # a cosine that random directions hardly ever have


class AnchorFigures(SetFigures):
    """Draw the anchors assigned to samples and the categories of each anchor, for each evaluation set.

    Figures: pairs of samples with similar and with different codes, a confusing sample, and the categories
    of the most selective anchors and pairs of anchors; text: the top categories of every anchor. Categories
    need labels; for a set without labels only the pairs are drawn.

    At each evaluation are logged, for each set and modality, over the same samples:
    ``val/<set>/anchors/<modality>/usage_entropy``, how evenly the K' nearest anchors of the samples are used,
    by similarity alone (the balanced assignment would hide a collapse), from 0 (the same for all samples) to
    1; ``.../score_std``, the mean over anchors of the standard deviation over samples; and
    ``.../score_above_0.3``, the share of similarities beyond 0.3 in absolute value.

    Args:
        every_n_epochs: Epochs between two sets of figures in ``fit``, which also draws at its last epoch;
            ``validate`` and ``test`` always draw.
        max_samples: Samples of each set that are used, evenly spread over it; every rank holds them.

    Source: SSPC supplement, section 4, Figures 1 to 4 and Table 8; docs/methods/sspc.md#anchors and #traps.
    """

    def __init__(self, every_n_epochs: int = 10, max_samples: int = 2000) -> None:
        super().__init__(every_n_epochs)
        self.check_positive(max_samples=max_samples)
        self.max_samples = max_samples
        self._collections: list[AnchorCollection] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are anchors, and sets to show them on."""
        super().setup(trainer, pl_module, stage)
        self.require(pl_module, AssignsAnchors, "that assigns anchors")

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
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
        """Keep the scores of the chosen samples."""
        if self._collections:
            self._collections[dataloader_idx].add(batch, outputs["anchor_scores"])

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log, and draw if it is time."""
        assert isinstance(pl_module, AssignsAnchors)
        due = self.is_due(trainer)
        for collection in self._collections:
            rows = collection.finish(pl_module, due)
            if rows is None:
                self.tell(f"{collection.evaluation_set.name} has no samples to draw")
                continue
            self._log(trainer, pl_module, collection.evaluation_set.name, rows)
            if due and trainer.is_global_zero:
                self._draw(trainer, collection.evaluation_set, rows, pl_module.num_assigned)
        self._collections = []

    on_test_epoch_end = on_validation_epoch_end

    def _log(self, trainer: Trainer, pl_module: Any, name: str, rows: AnchorRows) -> None:
        for modality, scores in rows.scores.items():
            there = scores[rows.present[modality]]
            if len(there) == 0:
                self.tell(f"no sample of {name} has {modality}")
                continue
            for key, value in _spread(there, pl_module.num_assigned).items():
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
