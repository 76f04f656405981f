"""Scores of a hierarchy of clusters: its cost, and its levels against classes and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.linkage import LINKAGES, Linkage
from unlabelled.metrics.dendrogram import LEVEL_MEASURES, dendrogram_purity, level_scores, merged_rows

GROUPS = "groups_"
"""Prefix of the names of scores against the groups of classes."""


@dataclass(frozen=True)
class Level:
    """A cut of the tree, and the labels it is compared with.

    Args:
        clusters: As many clusters (or as many as leaves, if those are fewer).
        against: Nothing, for the classes, or :data:`GROUPS`.
    """

    clusters: int
    against: str = ""

    def tag(self, measure: str) -> str:
        """Return the name of a score, such as ``groups_nmi_cut3``."""
        return f"{self.against}{measure}_cut{self.clusters}"

    @property
    def tags(self) -> dict[str, str]:
        """The names of all its scores, by measure."""
        return {measure: self.tag(measure) for measure in LEVEL_MEASURES}


@dataclass(frozen=True, eq=False)
class HierarchyScoring:
    """Scores hierarchies of clusters on one set of classes.

    Args:
        cuts: Numbers of clusters to compare with the classes.
        groups: ``(C,)`` int64, the group of each class from 0, to compare with a cut into as many clusters;
            None: there are none.
    """

    cuts: Sequence[int]
    groups: Tensor | None = None

    @classmethod
    def of_names(cls, cuts: Sequence[int], class_groups: Sequence[str] | None) -> HierarchyScoring:
        """Number the groups by their names, one per class."""
        if class_groups is None:
            return cls(cuts)
        numbers = {name: number for number, name in enumerate(dict.fromkeys(class_groups))}
        return cls(cuts, torch.tensor([numbers[name] for name in class_groups]))

    @property
    def levels(self) -> list[Level]:
        """All levels, the groups' last."""
        own = [] if self.groups is None else [Level(int(self.groups.max()) + 1, GROUPS)]
        return [*(Level(cut) for cut in self.cuts), *own]

    @property
    def tree_tags(self) -> list[str]:
        """The names of the scores of a tree as a whole."""
        purities = ["dendrogram_purity"] if self.groups is None else _PURITIES
        return [*purities, "dasgupta_1x", "leaves"]

    def scores(self, hierarchy: ClusterTree, table: Tensor) -> dict[str, float]:
        """Return the scores of every level and of the tree, by name.

        Args:
            hierarchy: Over the clusters.
            table: ``(K, C)`` held-out samples by predicted cluster and class.

        Raises:
            ValueError: There is no sample, or samples are in clusters that are no leaf.
        """
        tables = {"": table}
        if self.groups is not None:
            tables[GROUPS] = merged_rows(table.T, self.groups).T
        found: dict[str, float] = {}
        for level in self.levels:
            merged = merged_rows(tables[level.against], hierarchy.cut(level.clusters))
            found |= {level.tag(name): value for name, value in level_scores(merged).items()}
        for against, counts in tables.items():
            own = counts[hierarchy.clusters.to(counts.device)]
            found[f"{against}dendrogram_purity"] = dendrogram_purity(hierarchy.tree, own)
        leaves = hierarchy.leaves()
        found["dasgupta_1x"] = dasgupta_1x(hierarchy.tree, leaves.weights, leaves.counts)
        return {**found, "leaves": float(hierarchy.tree.num_leaves)}


_PURITIES = ["dendrogram_purity", f"{GROUPS}dendrogram_purity"]


def linkages_of(hierarchy: ClusterTree) -> dict[str, ClusterTree]:
    """Return the trees of scipy's linkages over the same centroids, by their names, without points."""
    leaves = hierarchy.leaves()
    fits = {method: Linkage(method).fit(leaves) for method in LINKAGES}
    return {
        method: replace(hierarchy, tree=fit.tree, points=None, report=fit.report)
        for method, fit in fits.items()
    }
