"""Hierarchies of clusters against ground truth: level by level, as a whole, and beside linkage."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.hierarchy_tables import TREE, Scores, cut_tables, over_heads, tree_tables
from callbacks.reports import print_tables
from callbacks.sweep import as_requested, datamodule
from callbacks.tables import Table
from unlabelled.contracts import GroupsClasses, HasHierarchies, Labelled
from unlabelled.distributed import all_reduce_sum_
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.metrics.clustering import contingency
from unlabelled.metrics.hierarchy_scores import HierarchyScoring, linkages_of


class HierarchyEvaluation(Callback):
    """Score the clusters of held-out samples at several cuts of the hierarchies that they are leaves of.

    A sample's cluster is the arg-max of the sum of all modalities' log-probabilities. Logged for each
    hierarchy, such as ``image`` and ``audio``, are of head 0 and, under ``..._mean`` and ``..._std``, of all
    heads (none is chosen by its labels):

    - ``val/hierarchy/image/nmi_cut9``, and ``ari``, ``purity`` (mean over clusters) and ``weighted_purity``
      (over samples) likewise, of the clusters merged into 9 by undoing the last 8 merges; a tree of fewer
      leaves is cut into those;
    - ``.../groups_nmi_cut3`` and so on, if the data's classes belong to groups: a cut into as many clusters
      as groups, against those;
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

    Source: sHHC paper section 5 and Table 2; reference shhc.md sections 1.10, 3 and 7.14.
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
        """Start anew, if there are trees."""
        self._tables = None
        if trainer.sanity_checking:
            return
        hierarchies = _hierarchies(pl_module)
        if hierarchies is not None:
            assert isinstance(pl_module, HasHierarchies)
            shape = (len(hierarchies), pl_module.num_clusters, len(datamodule(trainer).class_names))
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
        keep = as_requested(batch)
        joint = torch.stack([value[keep] for value in outputs["cluster_log_probs"].values()]).sum(0)
        for table, clusters in zip(self._tables, joint.argmax(2).unbind(1), strict=True):  # (B, W, K)
            table += contingency(clusters, batch["label"][keep], *table.shape)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the trees' scores."""
        for name, heads in self._trees(pl_module).items():
            _log(pl_module, f"val/hierarchy/{name}", self._score(trainer, heads))
        self._tables = None

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the trees' scores, and print them beside those of linkage."""
        scoring = self._scoring(trainer)
        cuts: dict[str, Table] = {}
        whole: dict[str, Table] = {}
        for name, heads in self._trees(pl_module).items():
            summaries = {TREE: self._score(trainer, heads)}
            _log(pl_module, f"test/hierarchy/{name}", summaries[TREE])
            summaries |= self._linkages(trainer, f"test/hierarchy/{name}", heads)
            cuts |= cut_tables(name, scoring, summaries)
            whole |= tree_tables(name, scoring, summaries)
        self._tables = None
        self._print(trainer, cuts, whole)

    def _print(self, trainer: Trainer, cuts: dict[str, Table], whole: dict[str, Table]) -> None:
        if cuts:
            print_tables(trainer, cuts, "test/hierarchy/cuts")
            print_tables(trainer, whole, "test/hierarchy/trees")

    def _trees(self, pl_module: LightningModule) -> dict[str, list[tuple[ClusterTree, Tensor]]]:
        """Return by name the tree of each head and the held-out samples in its clusters, of all ranks."""
        hierarchies = _hierarchies(pl_module)
        if self._tables is None or hierarchies is None:
            return {}
        assert isinstance(pl_module, HasHierarchies)
        pairs = list(zip(hierarchies, all_reduce_sum_(self._tables).cpu(), strict=True))
        heads = pl_module.num_heads
        return {
            name: pairs[number * heads : (number + 1) * heads]
            for number, name in enumerate(pl_module.clustering_names)
        }

    def _scoring(self, trainer: Trainer) -> HierarchyScoring:
        data = datamodule(trainer)
        return HierarchyScoring.of_names(
            self.cuts, data.class_groups if isinstance(data, GroupsClasses) else None
        )

    def _score(self, trainer: Trainer, heads: list[tuple[ClusterTree, Tensor]]) -> Scores:
        scoring = self._scoring(trainer)
        return over_heads([scoring.scores(tree, table) for tree, table in heads])

    def _linkages(
        self, trainer: Trainer, prefix: str, heads: list[tuple[ClusterTree, Tensor]]
    ) -> dict[str, Scores]:
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
        pl_module.log(f"{prefix}/{tag}", value, sync_dist=True)
