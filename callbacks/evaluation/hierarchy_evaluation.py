"""Hierarchies of clusters against ground truth: by level, as a whole, and beside linkage."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.evaluation.hierarchy_tables import (
    ALONE,
    TREE,
    Scores,
    cut_tables,
    of_cuts,
    over_heads,
    tree_tables,
)
from callbacks.shared.batches import datamodule, not_replaced
from callbacks.shared.reports import print_tables
from callbacks.shared.tables import Table
from unlabelled.contracts import GroupsClasses, HasHierarchies, Labelled
from unlabelled.distributed import all_reduce_sum_
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.metrics.clustering import contingency
from unlabelled.metrics.hierarchy_scores import HierarchyScoring, linkages_of

_Heads = list[tuple[ClusterTree, Tensor]]
"""The tree of each head, and the held-out samples ``(K, C)`` by predicted cluster and class."""


class HierarchyEvaluation(Callback):
    """Score the clusters of held-out samples at several cuts of their hierarchies.

    A sample's cluster is the arg-max of the sum of all modalities' log-probabilities. Logged for each
    hierarchy, such as ``image`` and ``audio``, are of head 0 and, under ``..._mean`` and ``..._std``, of all
    heads (none is chosen by its labels):

    - ``val/hierarchy/image/nmi_cut9``, and ``ari``, ``purity`` (mean over clusters) and ``weighted_purity``
      (over samples) likewise, of the clusters merged into 9 by undoing the last 8 merges; a tree of fewer
      leaves is cut into those;
    - ``.../groups_nmi_cut3`` and so on, if the data's classes belong to groups: a cut into as many clusters
      as groups, against those;
    - ``.../alone_nmi_cut9``, ``.../alone_groups_nmi_cut3`` and so on, of the clusters that the hierarchy's
      own modality predicts alone, if the hierarchy has a single one (Table 2's rows of one modality);
    - ``.../dendrogram_purity`` and ``.../groups_dendrogram_purity`` of the held-out samples;
    - ``.../dasgupta_1x``, the cost of the tree over the training samples' centroids, each pair of samples
      once, and ``.../leaves``.

    ``test`` logs the same of single, complete, average and Ward linkage of the same centroids, under
    ``test/hierarchy/image/average/...``, and prints tables. Nothing is logged before the first clustering
    pass, which makes the trees.

    Args:
        cuts: Numbers of clusters, at most as many as the method has.

    Raises:
        ValueError: No cuts, or one out of range.

    Source: sHHC paper (ICCV 2023) section 5 and Table 2; docs/methods/shhc.md#evaluation-protocols.
    """

    def __init__(self, cuts: list[int]) -> None:
        if not cuts or min(cuts) < 1 or len(set(cuts)) < len(cuts):
            raise ValueError(
                f"HierarchyEvaluation: cuts={cuts}; expected different numbers of clusters, each at least 1"
            )
        self.cuts = cuts
        self._tables: Tensor | None = None
        self._told = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are hierarchies and classes."""
        if not isinstance(pl_module, HasHierarchies):
            raise MisconfigurationException(
                "HierarchyEvaluation needs a method with hierarchies (unlabelled.contracts.HasHierarchies), "
                f"which {type(pl_module).__name__} is not"
            )
        if not isinstance(getattr(trainer, "datamodule", None), Labelled):
            raise MisconfigurationException("HierarchyEvaluation needs a data module with class_names")
        if max(self.cuts) > pl_module.num_clusters:
            raise ValueError(
                f"HierarchyEvaluation: cuts={self.cuts} must be at most num_clusters={pl_module.num_clusters}"
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the counts, if there are trees."""
        self._tables = None
        if trainer.sanity_checking:
            return
        hierarchies = _hierarchies(pl_module)
        if hierarchies is not None:
            assert isinstance(pl_module, HasHierarchies)
            shape = (2, len(hierarchies), pl_module.num_clusters, len(datamodule(trainer).class_names))
            self._tables = torch.zeros(shape, dtype=torch.int64, device=pl_module.device)
        elif not self._told:
            rank_zero_info("HierarchyEvaluation: there is nothing to score before the first clustering pass")
            self._told = True

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
        if self._tables is None:
            return
        assert isinstance(pl_module, HasHierarchies)
        keep = not_replaced(batch)
        log_probs = {name: value[keep] for name, value in outputs["cluster_log_probs"].items()}  # (B, W, K)
        joint = torch.stack(list(log_probs.values())).sum(0)
        for head, tables in enumerate(self._tables.unbind(1)):
            alone = log_probs.get(pl_module.clustering_names[head // pl_module.num_heads])
            for table, scores in zip(tables, (joint, alone), strict=True):
                if scores is not None:
                    table += contingency(scores[:, head].argmax(1), batch["label"][keep], *table.shape)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the trees' scores."""
        for name, (heads, own) in self._trees(pl_module).items():
            _log(pl_module, f"val/hierarchy/{name}/", self._score(trainer, heads))
            _log(pl_module, f"val/hierarchy/{name}/alone_", self._alone(trainer, own))
        self._tables = None

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the trees' scores, and print them beside those of linkage."""
        scoring = self._scoring(trainer)
        cuts: dict[str, Table] = {}
        whole: dict[str, Table] = {}
        for name, (heads, own) in self._trees(pl_module).items():
            summaries = {TREE: self._score(trainer, heads)}
            _log(pl_module, f"test/hierarchy/{name}/", summaries[TREE])
            alone = self._alone(trainer, own)
            _log(pl_module, f"test/hierarchy/{name}/alone_", alone)
            summaries |= self._linkages(trainer, f"test/hierarchy/{name}", heads)
            cuts |= cut_tables(name, scoring, summaries | ({ALONE: alone} if alone else {}))
            whole |= tree_tables(name, scoring, summaries)
        self._tables = None
        self._print(trainer, cuts, whole)

    def _print(self, trainer: Trainer, cuts: dict[str, Table], whole: dict[str, Table]) -> None:
        if cuts:
            print_tables(trainer, cuts, "test/hierarchy/cuts")
            print_tables(trainer, whole, "test/hierarchy/trees")

    def _trees(self, pl_module: LightningModule) -> dict[str, tuple[_Heads, _Heads]]:
        """Return by name the heads with all ranks' samples, by joint and by one modality's predictions."""
        hierarchies = _hierarchies(pl_module)
        if self._tables is None or hierarchies is None:
            return {}
        assert isinstance(pl_module, HasHierarchies)
        both = all_reduce_sum_(self._tables).cpu()
        joint, alone = (list(zip(hierarchies, tables, strict=True)) for tables in both)
        heads, found = pl_module.num_heads, {}
        for number, name in enumerate(pl_module.clustering_names):
            own = slice(number * heads, (number + 1) * heads)
            found[name] = joint[own], alone[own]
        return found

    def _scoring(self, trainer: Trainer) -> HierarchyScoring:
        data = datamodule(trainer)
        return HierarchyScoring.of_names(
            self.cuts, data.class_groups if isinstance(data, GroupsClasses) else None
        )

    def _score(self, trainer: Trainer, heads: _Heads) -> Scores:
        scoring = self._scoring(trainer)
        return over_heads([scoring.scores(tree, table) for tree, table in heads])

    def _alone(self, trainer: Trainer, heads: _Heads) -> Scores:
        """Return the cuts' scores of one modality's own predictions; none of a hierarchy of several."""
        if not any(table.any() for _, table in heads):
            return {}
        return of_cuts(self._scoring(trainer), self._score(trainer, heads))

    def _linkages(self, trainer: Trainer, prefix: str, heads: _Heads) -> dict[str, Scores]:
        """Score linkages of each head's centroids; the logger gets them, Lightning's own table does not."""
        others = [linkages_of(tree) for tree, _ in heads]
        found = {}
        for method in others[0]:
            pairs = [(other[method], table) for other, (_, table) in zip(others, heads, strict=True)]
            found[method] = self._score(trainer, pairs)
            metrics = {f"{prefix}/{method}/{tag}": value for tag, value in found[method].items()}
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step=trainer.global_step)
        return found


def _hierarchies(pl_module: LightningModule) -> list[ClusterTree] | None:
    """Return the trees of all clusterings; None before the first pass."""
    assert isinstance(pl_module, HasHierarchies)
    trees = [tree for tree in pl_module.hierarchies if tree is not None]
    return trees if len(trees) == len(pl_module.hierarchies) else None


def _log(pl_module: LightningModule, prefix: str, scores: Scores) -> None:
    for tag, value in scores.items():
        pl_module.log(f"{prefix}{tag}", value, sync_dist=True)
