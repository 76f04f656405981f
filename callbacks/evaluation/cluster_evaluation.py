"""Clusters against ground truth: metrics per modality and joint, before and after training."""

from __future__ import annotations

import sys
from copy import deepcopy
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torchmetrics import MeanMetric

from callbacks.evaluation.kmeans_scores import kmeans_scores
from callbacks.shared.batches import datamodule, frozen_state, iterate_batches, not_replaced
from callbacks.shared.feature_collection import FeatureCollection
from callbacks.shared.loggers import boards
from callbacks.shared.tables import Table, format_table
from unlabelled.contracts import HasHierarchies, Labelled, PredictsClusters
from unlabelled.losses import multi_head_cross_entropy
from unlabelled.metrics import ClusteringMetrics

BOTH = "both"
_AGREEMENT = "agreement"
_SHOWN = 0  # the head that is reported; chosen beforehand, never by its labels


class ClusterEvaluation(Callback):
    """Score the clusters that the heads predict on held-out data, as SeLaVi does.

    The prediction of a head is the arg-max of its soft-max, for ``both`` of the product of the modalities'
    soft-maxes; no Sinkhorn at test time. Head 0 is reported, with the mean and the standard deviation over
    the heads beside it (over those of the first hierarchy, if the method has several). Logged: ``val/nmi``
    (head 0, both), ``val/nmi_video``, ..., ``val/nmi_mean``, ``val/nmi_std``. Without labels, so that a
    checkpoint may be selected by them: ``val/loss``, the mean over modalities and heads of the cross-entropy
    with the joint prediction (the training loss, with the labels that the heads themselves give), and
    ``val/agreement``, the NMI between the modalities' predictions.
    ``test`` prints a table.

    Args:
        before_training: Also score the untrained network and k-means on its features, at the start of
            ``fit``; the numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Source: SeLaVi appendix A.2 (head 0) and A.4, Equations 8 to 11; docs/methods/selavi.md#cluster-metrics.
    """

    def __init__(self, before_training: bool = True) -> None:
        self.before_training = before_training
        self.before: Table = {}
        self._scores: dict[str, ClusteringMetrics] = {}
        self._empty: ClusteringMetrics
        self._loss: MeanMetric

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there is something to score."""
        if not isinstance(pl_module, PredictsClusters):
            raise MisconfigurationException(
                "ClusterEvaluation needs a method whose heads predict clusters "
                f"(unlabelled.contracts.PredictsClusters), which {type(pl_module).__name__} is not"
            )
        if not isinstance(getattr(trainer, "datamodule", None), Labelled):
            raise MisconfigurationException("ClusterEvaluation needs a data module with class_names")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network, once per run."""
        if not self.before_training or self.before or trainer.global_step > 0:
            return
        assert isinstance(pl_module, PredictsClusters)
        loader = datamodule(trainer).val_dataloader()
        features = FeatureCollection()
        self._start(trainer, pl_module)
        with frozen_state(pl_module):
            for batch in iterate_batches(trainer, pl_module, loader, "before training"):
                outputs = pl_module.evaluation_step(batch)
                self._update(outputs, batch)
                features.add(batch, outputs["features"])
        self.before = {f"heads, {source}": row for source, row in self._rows().items()}
        classes = len(_class_names(trainer))
        clustered = kmeans_scores(features.finish(), classes, classes)
        self.before |= {f"k-means, {source}": row for source, row in clustered.items()}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._start(trainer, pl_module)

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
        """Count a batch."""
        self._update(outputs, batch)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log."""
        self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and print."""
        self._log(pl_module, "test")
        after = {f"heads, {source}": row for source, row in self._rows().items()}
        self._print(trainer, {"before training": self.before, "after training": after})

    def _print(self, trainer: Trainer, tables: dict[str, Table]) -> None:
        if not trainer.is_global_zero:
            return
        text = format_table({name: table for name, table in tables.items() if table})
        print(f"\n{text}\n")
        print(f"TensorBoard: {sys.executable} -m tensorboard.main --logdir {trainer.default_root_dir}")
        for board in boards(trainer):
            board.add_text("test/table", f"```\n{text}\n```", trainer.global_step)

    def _start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, PredictsClusters)
        heads, clusters = pl_module.num_clusterings, pl_module.num_clusters
        num_classes = len(_class_names(trainer))
        self._empty = ClusteringMetrics(heads, clusters, num_classes).to(pl_module.device)
        self._scores = {BOTH: deepcopy(self._empty)}
        self._loss = MeanMetric().to(pl_module.device)

    def _update(self, outputs: dict[str, Any], batch: dict[str, Any]) -> None:
        keep = not_replaced(batch)
        log_probs = {name: value[keep] for name, value in outputs["cluster_log_probs"].items()}
        predictions = {name: value.argmax(2) for name, value in log_probs.items()}  # (B, H)
        predictions[BOTH] = torch.stack(list(log_probs.values())).sum(0).argmax(2)
        for name, prediction in predictions.items():
            if name not in self._scores:
                self._scores[name] = deepcopy(self._empty)
            self._scores[name].update(prediction, batch["label"][keep])
        losses = [multi_head_cross_entropy(value, predictions[BOTH]) for value in log_probs.values()]
        self._loss.update(torch.stack(losses).mean(), weight=int(keep.sum()))
        self._compare_modalities(predictions)

    def _compare_modalities(self, predictions: dict[str, Tensor]) -> None:
        names = [name for name in predictions if name != BOTH]
        if len(names) != 2:
            return
        first, second = (predictions[name][:, _SHOWN] for name in names)
        if _AGREEMENT not in self._scores:
            clusters = self._scores[BOTH].num_clusters
            self._scores[_AGREEMENT] = ClusteringMetrics(1, clusters, clusters).to(first.device)
        self._scores[_AGREEMENT].update(first.unsqueeze(1), second)

    def _rows(self) -> Table:
        sources = [name for name in self._scores if name not in (BOTH, _AGREEMENT)] + [BOTH]
        return {source: self._scores[source].of_head(_SHOWN) for source in sources}

    def _log(self, pl_module: LightningModule, stage: str) -> None:
        pl_module.log(f"{stage}/loss", self._loss.compute())
        for name, score in self._scores.items():
            if name == _AGREEMENT:
                pl_module.log(f"{stage}/agreement", score.of_head(0)["nmi"])
                continue
            suffix = "" if name == BOTH else f"_{name}"
            for key, value in score.of_head(_SHOWN).items():
                shown = key == "nmi" and name == BOTH
                pl_module.log(f"{stage}/{key}{suffix}", value, prog_bar=shown)
            if name == BOTH:
                for key, all_values in score.compute().items():
                    values = all_values.reshape(-1)[: _comparable_heads(pl_module)]
                    pl_module.log(f"{stage}/{key}_mean", values.mean())
                    pl_module.log(f"{stage}/{key}_std", values.std(correction=0))

    def state_dict(self) -> dict[str, Any]:
        """The scores before training."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them back."""
        self.before = state_dict["before"]


def _comparable_heads(pl_module: LightningModule) -> int:
    """Return how many heads, from the shown one on, cluster the same modalities."""
    if isinstance(pl_module, HasHierarchies):
        return pl_module.num_heads
    assert isinstance(pl_module, PredictsClusters)
    return pl_module.num_clusterings


def _class_names(trainer: Trainer) -> list[str]:
    return list(datamodule(trainer).class_names)
