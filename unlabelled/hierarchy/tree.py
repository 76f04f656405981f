"""A binary tree over K leaves, represented by its merges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False, init=False)
class Tree:
    """A dendrogram: leaves are nodes 0 to K-1, merge t makes node K+t, and the last node is the root.

    Args:
        merges: ``(K-1, 2)`` int64, the two nodes of each merge, both with smaller numbers than the new node.
        heights: ``(K-1,)`` float64, never decreasing; None: 1, 2, ...

    Raises:
        ValueError: The merges are not a tree, or the heights decrease.

    Example:
        >>> tree = Tree([[0, 1], [2, 3], [4, 5]], heights=[0.1, 0.2, 0.9])
        >>> tree.cut(2).tolist(), tree.root, tree.sizes.tolist()
        ([0, 0, 1, 1], 6, [1, 1, 1, 1, 2, 2, 4])
        >>> tree.newick("abcd")
        "(('a':0.1,'b':0.1):0.8,('c':0.2,'d':0.2):0.7);"
    """

    merges: Indices
    heights: Floats

    def __init__(self, merges: ArrayLike, heights: ArrayLike | None = None) -> None:
        pairs = np.array(merges, dtype=np.int64).reshape(-1, 2)
        levels = np.arange(1.0, len(pairs) + 1) if heights is None else np.array(heights, dtype=np.float64)
        _check(pairs, levels)
        object.__setattr__(self, "merges", pairs)
        object.__setattr__(self, "heights", levels)

    @classmethod
    def from_linkage(cls, linkage: ArrayLike) -> Tree:
        """Make a tree from scipy's linkage matrix ``(K-1, 4)``."""
        rows = np.asarray(linkage, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != 4:
            raise ValueError(f"Tree: the linkage matrix has shape {rows.shape}, expected (K - 1, 4)")
        return cls(rows[:, :2], rows[:, 2])

    @classmethod
    def from_parents(cls, parents: Sequence[int]) -> Tree:
        """Make a tree from the parent of each node ``(2K-1,)``, -1 for the root; inner nodes in any order.

        Inner nodes are renumbered, children first; heights are 1, 2, ...
        """
        children: list[list[int]] = [[] for _ in parents]
        for node, parent in enumerate(parents):
            if parent >= 0:
                children[parent].append(node)
        downwards = [node for node, parent in enumerate(parents) if parent < 0]
        for node in downwards:
            downwards += children[node]
        upwards = [node for node in reversed(downwards) if children[node]]
        numbers = list(range(len(parents)))
        for number, node in enumerate(upwards, start=(len(parents) + 1) // 2):
            numbers[node] = number
        return cls([[numbers[child] for child in children[node]] for node in upwards])

    def with_heights(self, heights: ArrayLike) -> Tree:
        """Return the same tree with the merges ordered by ``heights (K-1,)``, one per merge.

        A merge below one of its children is raised to the height of that child.
        """
        raised = np.array(heights, dtype=np.float64)
        if raised.shape != self.heights.shape:
            raise ValueError(f"Tree: {raised.shape} heights for {len(self.merges)} merges, expected one each")
        for merge, pair in enumerate((self.merges - self.num_leaves).tolist()):
            raised[merge] = max([raised[merge], *(raised[child] for child in pair if child >= 0)])
        order = np.argsort(
            raised, kind="stable"
        )  # of equal heights the smaller number first: children before parents
        numbers = np.arange(self.num_nodes)
        numbers[self.num_leaves + order] = np.arange(self.num_leaves, self.num_nodes)
        return Tree(numbers[self.merges[order]], raised[order])

    def over_clusters(self, num_clusters: int) -> Tree:
        """Return the tree over the clusters of a cut, numbered like its labels, with the same heights."""
        first = len(self.merges) - (num_clusters - 1)
        numbers = np.full(self.num_nodes, -1, dtype=np.int64)
        numbers[self.roots(num_clusters)] = np.arange(num_clusters)
        numbers[self.num_leaves + first :] = np.arange(num_clusters, 2 * num_clusters - 1)
        return Tree(numbers[self.merges[first:]], self.heights[first:])

    @property
    def num_leaves(self) -> int:
        """Number of leaves, K."""
        return len(self.merges) + 1

    @property
    def num_nodes(self) -> int:
        """Number of nodes, 2K - 1."""
        return 2 * len(self.merges) + 1

    @property
    def root(self) -> int:
        """Number of the root, the last node."""
        return self.num_nodes - 1

    @cached_property
    def parents(self) -> Indices:
        """Parents of all nodes ``(2K-1,)``, -1 for the root."""
        parents = np.full(self.num_nodes, -1, dtype=np.int64)
        parents[self.merges] = np.arange(self.num_leaves, self.num_nodes)[:, None]
        return parents

    @cached_property
    def sizes(self) -> Indices:
        """Numbers of leaves of all nodes ``(2K-1,)``."""
        sizes = [1] * self.num_leaves
        for left, right in self.merges.tolist():
            sizes.append(sizes[left] + sizes[right])
        return np.array(sizes, dtype=np.int64)

    @cached_property
    def spans(self) -> Indices:
        """Begin and end in ``leaf_order`` of the leaves of all nodes, ``(2K-1, 2)``."""
        begins = [0] * self.num_nodes
        for merge in range(len(self.merges) - 1, -1, -1):
            left, right = self.merges[merge].tolist()
            begins[left] = begins[self.num_leaves + merge]
            begins[right] = begins[left] + int(self.sizes[left])
        return np.stack([np.array(begins, dtype=np.int64), begins + self.sizes], 1)

    @cached_property
    def leaf_order(self) -> Indices:
        """Leaves from left to right ``(K,)``; the leaves of each node are adjacent."""
        return np.argsort(self.spans[: self.num_leaves, 0])

    @cached_property
    def lowest_ancestors(self) -> Indices:
        """Lowest common ancestors ``(K, K)`` of all pairs of leaves; a leaf is that of itself."""
        ordered = np.diag(self.leaf_order)
        for node, pair in enumerate(self.spans[self.merges].tolist(), start=self.num_leaves):
            left, right = (slice(*span) for span in pair)
            ordered[left, right] = ordered[right, left] = node
        positions = self.spans[: self.num_leaves, 0]
        return ordered[np.ix_(positions, positions)]

    def leaves(self, node: int) -> Indices:
        """Return the leaves ``(size,)`` of a node."""
        begin, end = self.spans[node]
        return self.leaf_order[begin:end]

    def roots(self, num_clusters: int) -> Indices:
        """Return the root nodes ``(num_clusters,)`` of the clusters of a cut, from left to right."""
        if not 1 <= num_clusters <= self.num_leaves:
            raise ValueError(
                f"Tree: cut into {num_clusters} clusters, expected 1 to {self.num_leaves}, the leaves"
            )
        first_undone = self.num_nodes - (num_clusters - 1)
        kept = np.flatnonzero(np.r_[self.parents[:-1] >= first_undone, True][:first_undone])
        return kept[np.argsort(self.spans[kept, 0])]

    def cut(self, num_clusters: int) -> Indices:
        """Return the labels ``(K,)`` of the leaves in a cut, numbered from 0 from left to right."""
        labels = np.empty(self.num_leaves, dtype=np.int64)
        for label, node in enumerate(self.roots(num_clusters)):
            labels[self.leaves(node)] = label
        return labels

    def to_linkage(self) -> Floats:
        """Return scipy's linkage matrix ``(K-1, 4)``: the two nodes, height and size of each merge."""
        return np.column_stack([self.merges, self.heights, self.sizes[self.num_leaves :]]).astype(np.float64)

    def newick(self, names: Sequence[str] | None = None) -> str:
        """Return the tree in the Newick format, with branch lengths and names or numbers of the leaves."""
        labels = (
            list(map(str, range(self.num_leaves))) if names is None else [_quoted(name) for name in names]
        )
        if len(labels) != self.num_leaves:
            raise ValueError(f"Tree: {len(labels)} names for {self.num_leaves} leaves")
        levels = np.concatenate([np.zeros(self.num_leaves), self.heights])
        for merge, pair in enumerate(self.merges.tolist()):
            top = self.heights[merge]
            labels.append("(" + ",".join(f"{labels[node]}:{top - levels[node]:.10g}" for node in pair) + ")")
            for node in pair:
                labels[node] = ""  # else a deep tree would hold each text many times
        return labels[-1] + ";"


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _check(merges: Indices, heights: Floats) -> None:
    num_leaves = len(merges) + 1
    if heights.shape != (len(merges),) or (np.diff(heights) < 0).any() or not np.isfinite(heights).all():
        raise ValueError(
            f"Tree: heights of shape {heights.shape} for {len(merges)} merges; expected one finite height "
            "each, none below the one before (Tree.with_heights sorts merges)"
        )
    late = np.flatnonzero((merges >= np.arange(num_leaves, 2 * num_leaves - 1)[:, None]).any(1))
    if len(late) or not np.array_equal(np.sort(merges, axis=None), np.arange(2 * num_leaves - 2)):
        where = (
            f"merge {late[0]} is {merges[late[0]].tolist()}" if len(late) else "a node is used twice or never"
        )
        raise ValueError(
            f"Tree: {where}; expected every node but the root once, and only leaves (0 to {num_leaves - 1}) "
            "and nodes of earlier merges"
        )
