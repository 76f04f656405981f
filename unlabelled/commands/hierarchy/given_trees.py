"""Trees that are given as files, to be compared with those of the methods and to be improved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unlabelled.commands.errors.suggestions import hint
from unlabelled.commands.hierarchy.inputs import read_array
from unlabelled.data.lists.text import read_text
from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod, with_average_heights
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.newick import Node, binary_tree, leaves_of, parse_newick
from unlabelled.hierarchy.tree import Tree

logger = logging.getLogger(__name__)


class GivenTree(HierarchyMethod):
    """A tree that was not made from the leaves.

    Args:
        tree: The tree.
        search: A local search that starts from the tree; None: the tree stays as it is.
    """

    def __init__(self, tree: Tree, search: LocalSearch | None = None) -> None:
        self.tree, self.search = tree, search

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the tree, or the cheapest one that the search finds from it."""
        if self.search is None:
            cost = dasgupta_1x(self.tree, leaves.weights, leaves.counts)
            return Hierarchy(self.tree, report={"dasgupta_1x": cost})
        found = self.search.improve([self.tree], leaves.weights, leaves.counts, seed)
        report = found.report | {"dasgupta_1x": found.cost}
        return Hierarchy(with_average_heights(found.tree, leaves), report=report)


def read_trees(paths: Sequence[str], leaves: Leaves, names: Sequence[str] | None) -> dict[str, Tree]:
    """Return the trees of files by the names of the files, without suffixes.

    Args:
        paths: Files in the Newick format, or scipy's linkage matrix as ``.npy``.
        leaves: The rows, each of them a leaf.
        names: The names of the rows; None: their numbers, from 0.

    Raises:
        ValueError: Two files have the same name, a file holds no tree, or its leaves are not the rows.
    """
    trees: dict[str, Tree] = {}
    for path in paths:
        name = Path(path).stem
        if name in trees:
            raise ValueError(f"{path}: another tree is called {name}, too; rename one of the files")
        trees[name] = _read_tree(path, leaves, names)
    return trees


def _read_tree(path: str, leaves: Leaves, names: Sequence[str] | None) -> Tree:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        if Path(path).suffix.lower() == ".npy":
            tree = Tree.from_linkage(read_array(path))
            if tree.num_leaves != len(leaves):
                raise ValueError(f"the tree has {tree.num_leaves} leaves, expected {len(leaves)}, the rows")
            return tree
        root = parse_newick(read_text(path))
        numbers = _numbers(leaves_of(root), names or [str(row) for row in range(len(leaves))])
        tree, resolved = binary_tree(root, numbers, leaves)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(path) else f"{path}: {text}") from error
    if resolved:
        logger.warning(
            "%s: the children of %d nodes with more than two are joined by average linkage", path, resolved
        )
    return tree


def _numbers(nodes: Sequence[Node], names: Sequence[str]) -> list[int]:
    """Return the row of each leaf."""
    rows = {name: row for row, name in enumerate(names)}
    if len(rows) < len(names):
        twice = next(name for row, name in enumerate(names) if rows[name] != row)
        raise ValueError(f"several rows have the name {twice!r}; a tree requires one name per row")
    numbers = []
    for node in nodes:
        name = node.name if node.quoted or node.name in rows else node.name.replace("_", " ")
        if name not in rows:
            raise ValueError(
                f"the leaf {node.name!r} is no name of a row{hint(node.name, names)} (without names "
                "rows have their numbers from 0)"
            )
        numbers.append(rows[name])
    counts = np.bincount(numbers, minlength=len(names))
    if (wrong := np.flatnonzero(counts != 1)).size:
        row = int(wrong[0])
        raise ValueError(
            f"the row {names[row]!r} is {counts[row]} leaves of the tree, expected 1; so for {wrong.size} of "
            f"{len(names)} rows"
        )
    return numbers
