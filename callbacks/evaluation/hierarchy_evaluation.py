"""Hierarchies of clusters compared with classes: at several cuts, as a whole, and beside other methods."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.evaluation.hierarchy_tables import (
    ALONE,
    TREE,
    Scores,
    cut_tables,
    scores_of_cuts,
    summarise_heads,
    tree_tables,
)
from callbacks.shared.batches import datamodule, not_replaced
from callbacks.shared.labels import class_names, is_idle
from callbacks.shared.loggers import Messages
from callbacks.shared.rows import NO_LABEL
from callbacks.shared.tables import Table, print_tables
from unlabelled.contracts import GroupsClasses, HasHierarchies, Labelled
from unlabelled.distributed import all_reduce_sum_
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.metrics.clustering import contingency
from unlabelled.metrics.hierarchy_scores import HierarchyScoring, rebuilt_trees

_Heads = list[tuple[ClusterTree, Tensor]]
"""Of each head the tree, and the numbers ``(K, C)`` of held-out samples by predicted cluster and class."""


class HierarchyEvaluation(Callback):
    """Score the clusters of held-out samples at several cuts of their hierarchies.

    The cluster of a sample is the arg-max of the sum of the log-probabilities of all modalities. Logs for
    each hierarchy, such as ``image`` and ``audio``, the scores of head 0 and, as ``..._mean`` and
    ``..._std``, the statistics over all heads:

    - ``val/hierarchy/image/nmi_cut9``, and likewise ``ari``, ``purity`` (mean over clusters) and
      ``weighted_purity`` (mean over samples), for the cut into 9 clusters, which undoes the last 8 merges; a
      tree with fewer leaves is cut into its leaves;
    - ``.../groups_nmi_cut3`` etc., if the classes of the data belong to groups: the cut into as many clusters
      as there are groups, compared with the groups;
    - ``.../alone_nmi_cut9``, ``.../alone_groups_nmi_cut3`` etc., for the clusters that the modality of the
      hierarchy predicts alone, if the hierarchy has a single modality (rows of one modality in Table 2);
    - ``.../dendrogram_purity`` and ``.../groups_dendrogram_purity`` of the held-out samples;
    - ``.../dasgupta_1x``, the cost of the tree over the centroids of the training samples, each pair of
      samples counted once, and ``.../leaves``.

    ``test`` logs the same for trees of other methods over the same centroids, as
    ``test/hierarchy/image/average/...``, and prints tables: single, complete, average and Ward linkage, and
    the trees of ``lowest_cost`` and over the graph of ``neighbours``. Before the first clustering pass there
    are no trees, and no scores are logged; on data without labels nothing is scored.

    Args:
        cuts: Numbers of clusters, at most that of the method.

    Raises:
        ValueError: There are no cuts, or one is out of its range.
        MisconfigurationException: The method has no hierarchies
            (:class:`unlabelled.contracts.HasHierarchies`), or the data module has no classes.

    Source: sHHC paper (ICCV 2023) section 5 and Table 2; docs/methods/shhc.md#evaluation-protocols.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/hierarchy/*/*",)

    def __init__(self, cuts: list[int]) -> None:
        if not cuts or min(cuts) < 1 or len(set(cuts)) < len(cuts):
            raise ValueError(
                f"HierarchyEvaluation: cuts={cuts}; expected different numbers of clusters, each at least 1"
            )
        self.cuts = cuts
        self._tables: Tensor | None = None  # (2, heads, K, C): joint predictions, those of one modality
        self._idle = False
        self._messages = Messages(self)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method, the data module and the cuts."""
        if not isinstance(pl_module, HasHierarchies):
            raise MisconfigurationException(
                "HierarchyEvaluation needs a method with hierarchies (unlabelled.contracts.HasHierarchies), "
                f"which {type(pl_module).__name__} is not"
            )
        if not isinstance(getattr(trainer, "datamodule", None), Labelled):
            raise MisconfigurationException("HierarchyEvaluation needs a data module with class_names")
        self._idle = is_idle(self, trainer)
        if max(self.cuts) > pl_module.num_clusters:
            raise ValueError(
                f"HierarchyEvaluation: cuts={self.cuts} must be at most num_clusters={pl_module.num_clusters}"
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the counts; without trees nothing is counted."""
        self._tables = None
        if trainer.sanity_checking or self._idle:
            return
        hierarchies = _hierarchies(pl_module)
        if hierarchies is not None:
            assert isinstance(pl_module, HasHierarchies)
            shape = (2, len(hierarchies), pl_module.num_clusters, len(class_names(trainer)))
            self._tables = torch.zeros(shape, dtype=torch.int64, device=pl_module.device)
        else:
            self._messages.log_once(": there are no trees to score before the first clustering pass")

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
        """Count the samples of a batch by cluster and class."""
        if self._tables is None:
            return
        assert isinstance(pl_module, HasHierarchies)
        keep = not_replaced(batch) & (batch["label"] != NO_LABEL)
        log_probs = {name: value[keep] for name, value in outputs["cluster_log_probs"].items()}  # (B, W, K)
        joint = torch.stack(list(log_probs.values())).sum(0)
        for head, tables in enumerate(self._tables.unbind(1)):
            alone = log_probs.get(pl_module.clustering_names[head // pl_module.num_heads])
            for table, scores in zip(tables, (joint, alone), strict=True):
                if scores is not None:
                    table += contingency(scores[:, head].argmax(1), batch["label"][keep], *table.shape)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores of the trees."""
        for name, (joint, alone) in self._trees(pl_module).items():
            _log(pl_module, f"val/hierarchy/{name}/", self._score(trainer, joint))
            _log(pl_module, f"val/hierarchy/{name}/alone_", self._score_alone(trainer, alone))
        self._tables = None

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores of the trees, and print them beside those of other methods."""
        scoring = self._scoring(trainer)
        cuts: dict[str, Table] = {}
        whole: dict[str, Table] = {}
        for name, (joint, alone) in self._trees(pl_module).items():
            summaries = {TREE: self._score(trainer, joint)}
            _log(pl_module, f"test/hierarchy/{name}/", summaries[TREE])
            scores_alone = self._score_alone(trainer, alone)
            _log(pl_module, f"test/hierarchy/{name}/alone_", scores_alone)
            summaries |= self._others(trainer, f"test/hierarchy/{name}", joint)
            cuts |= cut_tables(name, scoring, summaries | ({ALONE: scores_alone} if scores_alone else {}))
            whole |= tree_tables(name, scoring, summaries)
        self._tables = None
        if cuts:
            print_tables(trainer, cuts, "test/hierarchy/cuts")
            print_tables(trainer, whole, "test/hierarchy/trees")

    def _trees(self, pl_module: LightningModule) -> dict[str, tuple[_Heads, _Heads]]:
        """Return by name the heads with the samples of all ranks: by joint prediction, by one modality."""
        hierarchies = _hierarchies(pl_module)
        if self._tables is None or hierarchies is None:
            return {}
        assert isinstance(pl_module, HasHierarchies)
        both = all_reduce_sum_(self._tables).cpu()
        joint, alone = (list(zip(hierarchies, tables, strict=True)) for tables in both)
        heads = pl_module.num_heads
        slices = [slice(n * heads, (n + 1) * heads) for n in range(len(pl_module.clustering_names))]
        return {
            name: (joint[part], alone[part])
            for name, part in zip(pl_module.clustering_names, slices, strict=True)
        }

    def _scoring(self, trainer: Trainer) -> HierarchyScoring:
        data = datamodule(trainer)
        return HierarchyScoring.of_names(
            self.cuts, data.class_groups if isinstance(data, GroupsClasses) else None
        )

    def _score(self, trainer: Trainer, heads: _Heads) -> Scores:
        scoring = self._scoring(trainer)
        return summarise_heads([scoring.scores(tree, table) for tree, table in heads])

    def _score_alone(self, trainer: Trainer, heads: _Heads) -> Scores:
        """Return the scores of cuts for the predictions of one modality; empty for several modalities."""
        if not any(table.any() for _, table in heads):
            return {}
        return scores_of_cuts(self._scoring(trainer), self._score(trainer, heads))

    def _others(self, trainer: Trainer, prefix: str, heads: _Heads) -> dict[str, Scores]:
        """Score trees of other methods for each head; log them, but not in Lightning's table."""
        others = [rebuilt_trees(tree) for tree, _ in heads]
        summaries = {}
        for method in others[0]:
            pairs = [(other[method], table) for other, (_, table) in zip(others, heads, strict=True)]
            summaries[method] = self._score(trainer, pairs)
            metrics = {f"{prefix}/{method}/{tag}": value for tag, value in summaries[method].items()}
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step=trainer.global_step)
        return summaries


def _hierarchies(pl_module: LightningModule) -> list[ClusterTree] | None:
    """Return the trees of all heads; None before the first clustering pass."""
    assert isinstance(pl_module, HasHierarchies)
    trees = [tree for tree in pl_module.hierarchies if tree is not None]
    return trees if len(trees) == len(pl_module.hierarchies) else None


def _log(pl_module: LightningModule, prefix: str, scores: Scores) -> None:
    for tag, value in scores.items():
        pl_module.log(f"{prefix}{tag}", value, sync_dist=True)
