"""Clusters of held-out samples compared with their classes, for each modality and for all together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric, SumMetric

from callbacks.evaluation.kmeans_evaluation import kmeans_scores
from callbacks.shared.batches import datamodule, frozen_state, iterate_batches, not_replaced
from callbacks.shared.before_training import ScoresBeforeTraining
from callbacks.shared.labels import class_names
from callbacks.shared.loggers import board_folders
from callbacks.shared.rows import NO_LABEL, RowCollection, as_float32
from callbacks.shared.tables import Table, print_tables
from unlabelled.batch import Batch
from unlabelled.contracts import HasHierarchies, Labelled, LabelledBank, PredictsClusters
from unlabelled.distributed import all_reduce_sum_
from unlabelled.losses import multi_head_cross_entropy
from unlabelled.metrics import ClusteringMetrics
from unlabelled.missing import has_feature

BOTH = "both"
_AGREEMENT = "agreement"
_HEAD = 0  # the head that is logged, whatever its scores are


class ClusterEvaluation(ScoresBeforeTraining):
    """Score the clusters that the heads predict for held-out samples, as SeLaVi does.

    The prediction of a head is the arg-max of its soft-max, for ``both`` that of the product of the
    soft-maxes of all modalities; Sinkhorn-Knopp is not applied. Logs the scores of head 0, ``val/nmi`` for
    ``both`` and ``val/nmi_video``, ... for each modality, and ``val/nmi_mean`` and ``val/nmi_std`` over the
    heads (of a method with several hierarchies, over those of the first). Two metrics use no labels, so that
    a checkpoint may be selected by them: ``val/loss``, the cross-entropy with the joint prediction, averaged
    over modalities and heads (the training loss, with the predictions of the heads as labels); and
    ``val/agreement``, the NMI between the predictions of two modalities. ``test`` prints a table.

    Samples without a modality (:mod:`unlabelled.missing`) are left out of the scores of this modality, and
    counted as ``val/missing_audio``, ... where there are any; ``both`` is then the other modality alone.

    Samples without a label are left out of the scores that compare with classes. Of data without labels only
    the two metrics that use none are logged, and no table is printed.

    With ``split: train``, ``test`` also scores the training samples, without augmentation: the clusters that
    the paper reports. The names of these scores begin with ``train_``: ``test/train_nmi``.

    Args:
        before_training: Also score the untrained network, and k-means of its features, on the validation set,
            at the start of ``fit``; checkpoints contain the scores, and ``test`` prints them too.
        split: The samples that ``test`` scores: ``held_out`` ones alone, or those of ``train``, too.

    Raises:
        ValueError: ``split`` is unknown.
        MisconfigurationException: The method does not predict clusters
            (:class:`unlabelled.contracts.PredictsClusters`), or the data module has no classes, or no
            labelled training samples for ``train``.

    Source: SeLaVi appendix A.2 (head 0) and A.4, Equations 8 to 11; docs/methods/selavi.md#cluster-metrics.
    """

    logs: ClassVar[tuple[str, ...]] = (
        "val/loss",
        "val/agreement",
        "val/missing_*",
        *(f"val/{name}{suffix}" for name in ClusteringMetrics.names for suffix in ("", "_*")),
    )

    def __init__(
        self, before_training: bool = True, split: Literal["held_out", "train"] = "held_out"
    ) -> None:
        super().__init__(before_training)
        if split not in ("held_out", "train"):
            raise ValueError(f"ClusterEvaluation: split={split!r} is neither held_out nor train")
        self.split = split
        self._scores: dict[str, ClusteringMetrics] = {}
        self._empty: ClusteringMetrics
        self._labelled = True
        self._loss: MeanMetric
        self._missing: dict[str, SumMetric] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        if not isinstance(pl_module, PredictsClusters):
            raise MisconfigurationException(
                "ClusterEvaluation needs a method whose heads predict clusters "
                f"(unlabelled.contracts.PredictsClusters), which {type(pl_module).__name__} is not"
            )
        if not isinstance(getattr(trainer, "datamodule", None), Labelled):
            raise MisconfigurationException("ClusterEvaluation needs a data module with class_names")
        if self.split == "train" and not isinstance(trainer.datamodule, LabelledBank):  # type: ignore[attr-defined]
            raise MisconfigurationException(
                "ClusterEvaluation(split: train) needs a data module with labelled training rows "
                "(unlabelled.contracts.LabelledBank)"
            )

    def score_untrained(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the scores of the heads and of k-means as a table; nothing to log."""
        assert isinstance(pl_module, PredictsClusters)
        classes = len(class_names(trainer))
        if classes == 0:
            return {}, {}
        features = RowCollection("ClusterEvaluation")
        loader = datamodule(trainer).val_dataloader()
        for outputs, batch in self._pass(trainer, pl_module, loader, "before training"):
            features.add(batch, as_float32(outputs["features"]))
        self._drop_unscored()
        clustered = kmeans_scores(features.finish().labelled(), classes, classes)
        return self._table() | {f"k-means, {source}": row for source, row in clustered.items()}, {}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the metrics."""
        assert isinstance(pl_module, PredictsClusters)
        heads, clusters = pl_module.num_clusterings, pl_module.num_clusters
        classes = len(class_names(trainer))
        self._labelled = classes > 0
        self._empty = ClusteringMetrics(heads, clusters, max(classes, 1)).to(pl_module.device)
        self._scores = {BOTH: deepcopy(self._empty)} if self._labelled else {}
        self._loss = MeanMetric().to(pl_module.device)
        self._missing = {}

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
        """Update the metrics."""
        self._update(outputs, batch)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores."""
        self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and print the scores."""
        self._log(pl_module, "test")
        if BOTH in self._scores:
            tables = {"before training": self.before, "after training": self._table()}
            print_tables(trainer, tables, "test/table")
        if self.split == "train":
            self._score_training_samples(trainer, pl_module)
        for folder in board_folders(trainer):
            print(f"TensorBoard: {sys.executable} -m tensorboard.main --logdir {folder}")

    def _score_training_samples(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the labelled training samples in place of the held-out ones, log and print."""
        loader = datamodule(trainer).bank_dataloader()
        for _ in self._pass(trainer, pl_module, loader, "training samples"):
            pass
        self._log(pl_module, "test", "train_")
        if BOTH in self._scores:
            print_tables(trainer, {"training samples": self._table()}, "test/training_samples")

    def _pass(
        self, trainer: Trainer, pl_module: LightningModule, loader: DataLoader[Any], title: str
    ) -> Iterator[tuple[dict[str, Any], Batch]]:
        """Reset the metrics and update them with all batches of a loader; yield outputs and batches."""
        assert isinstance(pl_module, PredictsClusters)
        self.on_validation_epoch_start(trainer, pl_module)
        with frozen_state(pl_module):
            for batch in iterate_batches(trainer, pl_module, loader, title):
                outputs = pl_module.evaluation_step(batch)
                self._update(outputs, batch)
                yield outputs, batch

    def _update(self, outputs: dict[str, Any], batch: dict[str, Any]) -> None:
        keep = not_replaced(batch)
        log_probs = {name: value[keep] for name, value in outputs["cluster_log_probs"].items()}
        predictions = {name: value.argmax(2) for name, value in log_probs.items()}  # (B, H)
        predictions[BOTH] = torch.stack(list(log_probs.values())).sum(0).argmax(2)
        present = {name: has_feature(outputs["features"][name])[keep] for name in log_probs}
        if self._labelled:
            self._compare_classes(predictions, present, batch["label"][keep])
        self._count_missing(present)
        for name, value in log_probs.items():
            loss = multi_head_cross_entropy(value[present[name]], predictions[BOTH][present[name]])
            self._loss.update(loss.mean(), weight=int(present[name].sum()))
        self._compare_modalities(predictions, torch.stack(list(present.values())).all(0))

    def _compare_classes(
        self, predictions: dict[str, Tensor], present: dict[str, Tensor], labels: Tensor
    ) -> None:
        known = labels != NO_LABEL
        for name, prediction in predictions.items():
            if name not in self._scores:
                self._scores[name] = deepcopy(self._empty)
            rows = known & present.get(name, torch.ones_like(known))
            self._scores[name].update(prediction[rows], labels[rows])

    def _count_missing(self, present: dict[str, Tensor]) -> None:
        for name, rows in present.items():
            if name not in self._missing:
                self._missing[name] = SumMetric().to(rows.device)
            self._missing[name].update((~rows).sum())

    def _compare_modalities(self, predictions: dict[str, Tensor], rows: Tensor) -> None:
        names = [name for name in predictions if name != BOTH]
        if len(names) != 2:
            return
        first, second = (predictions[name][rows, _HEAD] for name in names)
        if _AGREEMENT not in self._scores:
            clusters = self._empty.num_clusters
            self._scores[_AGREEMENT] = ClusteringMetrics(1, clusters, clusters).to(first.device)
        self._scores[_AGREEMENT].update(first.unsqueeze(1), second)

    def _drop_unscored(self) -> None:
        """Remove the scores of a modality that every sample of every rank lacks."""
        counted = {name: all_reduce_sum_(score.tables.sum()) for name, score in self._scores.items()}
        self._scores = {name: score for name, score in self._scores.items() if counted[name] > 0}

    def _table(self) -> Table:
        sources = [name for name in self._scores if name not in (BOTH, _AGREEMENT)] + [BOTH]
        return {f"heads, {source}": self._scores[source].of_head(_HEAD) for source in sources}

    def _log(self, pl_module: LightningModule, stage: str, prefix: str = "") -> None:
        start = f"{stage}/{prefix}"
        self._drop_unscored()
        pl_module.log(f"{start}loss", self._loss.compute())
        for name, count in self._missing.items():
            if (number := count.compute()) > 0:
                pl_module.log(f"{start}missing_{name}", number)
        for name, score in self._scores.items():
            if name == _AGREEMENT:
                pl_module.log(f"{start}agreement", score.of_head(0)["nmi"])
                continue
            suffix = "" if name == BOTH else f"_{name}"
            for key, value in score.of_head(_HEAD).items():
                in_progress_bar = key == "nmi" and name == BOTH
                pl_module.log(f"{start}{key}{suffix}", value, prog_bar=in_progress_bar)
            if name == BOTH:
                for key, all_values in score.compute().items():
                    values = all_values.reshape(-1)[: _num_comparable_heads(pl_module)]
                    pl_module.log(f"{start}{key}_mean", values.mean())
                    pl_module.log(f"{start}{key}_std", values.std(correction=0))


def _num_comparable_heads(pl_module: LightningModule) -> int:
    """Return the number of heads that cluster the same modalities as head 0; they are the first ones."""
    if isinstance(pl_module, HasHierarchies):
        return pl_module.num_heads
    assert isinstance(pl_module, PredictsClusters)
    return pl_module.num_clusterings
