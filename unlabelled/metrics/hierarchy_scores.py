"""Scores of a hierarchy: its cost, and the agreement of its levels with classes and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlabelled.hierarchy.base import HierarchyMethod
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.linkage import LINKAGES, Linkage
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.local_search_tree import LocalSearchTree
from unlabelled.hierarchy.neighbour_tree import NeighbourTree
from unlabelled.metrics.dendrogram import LEVEL_MEASURES, dendrogram_purity, level_scores, merged_rows

GROUPS = "groups_"
"""Prefix of the names of scores against the groups of classes."""


@dataclass(frozen=True)
class Level:
    """A cut of the tree, and the labels that it is compared with.

    Args:
        clusters: Number of clusters (the number of leaves, if that is smaller).
        against: Empty for the classes, or :data:`GROUPS` for their groups.
    """

    clusters: int
    against: str = ""

    def tag(self, measure: str) -> str:
        """Return the name of a score, such as ``groups_nmi_cut3``."""
        return f"{self.against}{measure}_cut{self.clusters}"

    @property
    def tags(self) -> dict[str, str]:
        """Names of all scores of the level, by measure."""
        return {measure: self.tag(measure) for measure in LEVEL_MEASURES}


@dataclass(frozen=True, eq=False)
class HierarchyScoring:
    """Compares hierarchies of clusters with one set of classes.

    Args:
        cuts: Numbers of clusters of the cuts that are compared with the classes.
        groups: ``(C,)`` int64, the group of each class, from 0; a cut into as many clusters is compared with
            the groups. None: no groups.
    """

    cuts: Sequence[int]
    groups: Tensor | None = None

    @classmethod
    def of_names(cls, cuts: Sequence[int], class_groups: Sequence[str] | None) -> HierarchyScoring:
        """Make an instance from the name of each class's group; None: no groups."""
        if class_groups is None:
            return cls(cuts)
        numbers = {name: number for number, name in enumerate(dict.fromkeys(class_groups))}
        return cls(cuts, torch.tensor([numbers[name] for name in class_groups]))

    @property
    def levels(self) -> list[Level]:
        """All levels; that of the groups is the last."""
        of_groups = [] if self.groups is None else [Level(int(self.groups.max()) + 1, GROUPS)]
        return [*(Level(cut) for cut in self.cuts), *of_groups]

    @property
    def tree_tags(self) -> list[str]:
        """Names of the scores of the whole tree."""
        purities = ["dendrogram_purity"] if self.groups is None else _PURITIES
        return [*purities, "dasgupta_1x", "leaves"]

    def scores(self, hierarchy: ClusterTree, table: Tensor) -> dict[str, float]:
        """Return the scores of all levels and of the tree, by name.

        Args:
            hierarchy: Tree over the clusters.
            table: ``(K, C)``, numbers of held-out samples by predicted cluster and class.

        Raises:
            ValueError: There are no samples, or samples are in clusters that are not leaves.
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


_SHORT = LocalSearch(random_starts=0, num_descents=1, annealing_sweeps=0)
_OTHERS: dict[str, HierarchyMethod] = {
    **{name: Linkage(name) for name in LINKAGES},
    "lowest_cost": LocalSearchTree(Linkage(), _SHORT),
    "neighbours": NeighbourTree(Linkage(), search=_SHORT),
}


def rebuilt_trees(hierarchy: ClusterTree) -> dict[str, ClusterTree]:
    """Return trees over the centroids of a hierarchy by other methods, by name, without points.

    The methods are scipy's linkages and, both without annealing, local search for the lowest cost
    (``lowest_cost``) and local search over the graph of nearest neighbours (``neighbours``).
    """
    leaves = hierarchy.leaves()
    fits = {name: method.fit(leaves) for name, method in _OTHERS.items()}
    return {
        name: replace(hierarchy, tree=fit.tree, points=None, report=fit.report) for name, fit in fits.items()
    }
