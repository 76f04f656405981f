"""The Euler tour of a tree that changes: the begin and the end of the subtree of each node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unlabelled.hierarchy.tree import Tree

Positions = NDArray[np.intp]


class EulerTour:
    """Entries v and exits ``2K-1 + v`` of all nodes v, depth first.

    Args:
        tree: Tree over K leaves.

    Attributes:
        steps: ``(2 (2K-1),)`` the entries and exits in their order.
        position: ``(2 (2K-1),)`` the index of each entry and exit in ``steps``.
        leaves_before: ``(2 (2K-1),)`` the number of leaves entered before each of them.
        leaf_order: ``(K,)`` the leaves from left to right.
    """

    def __init__(self, tree: Tree) -> None:
        self._num_leaves, self._num_nodes = tree.num_leaves, tree.num_nodes
        self.steps = _depth_first(tree)
        self.position = np.empty_like(self.steps)
        self.leaves_before = np.zeros_like(self.steps)
        self.leaf_order = np.empty(tree.num_leaves, dtype=np.intp)
        self._write(0, self.steps.copy(), 0)

    def leaves(self, node: int) -> slice:
        """Return the slice of ``leaf_order`` that holds the leaves of a node."""
        return slice(int(self.leaves_before[node]), int(self.leaves_before[self._num_nodes + node]))

    def span(self, node: int) -> slice:
        """Return the slice of ``steps`` from the entry to the exit of a node."""
        return slice(int(self.position[node]), int(self.position[self._num_nodes + node]) + 1)

    def move(self, subtree: int, joint: int, above: int) -> None:
        """Move a subtree and its parent ``joint``; ``joint`` becomes the parent of the node ``above``.

        Only the steps between the old and the new position are rewritten.
        """
        moved, old, new = (self.span(node) for node in (subtree, joint, above))
        entry, exit_ = self.steps[old.start : old.start + 1], self.steps[old.stop - 1 : old.stop]
        # end of the copied part, begin of the next one, and the steps to insert between them
        edits: list[tuple[int, int, list[Positions]]] = [
            (old.start, old.start + 1, []),
            (moved.start, moved.stop, []),
            (old.stop - 1, old.stop, []),
            (new.start, new.start, [entry, self.steps[moved]]),
            (new.stop, new.stop, [exit_]),
        ]
        edits.sort(key=lambda edit: edit[:2])
        begin, end = min(old.start, new.start), max(old.stop, new.stop)
        pieces, done = [], begin
        for stop, resume, insert in edits:
            pieces += [self.steps[done:stop], *insert]
            done = resume
        part = np.concatenate([*pieces, self.steps[done:end]])
        self._write(begin, part, int(self.leaves_before[self.steps[begin]]))

    def _write(self, begin: int, part: Positions, leaves: int) -> None:
        """Write a part of the tour from ``begin`` on; ``leaves`` is the number of leaves before it."""
        self.steps[begin : begin + len(part)] = part
        self.position[part] = np.arange(begin, begin + len(part))
        is_leaf = part < self._num_leaves
        until = np.cumsum(is_leaf)
        self.leaves_before[part] = leaves + until - is_leaf
        self.leaf_order[leaves : leaves + until[-1]] = part[is_leaf]


def _depth_first(tree: Tree) -> Positions:
    children = tree.merges.tolist()
    steps, waiting = [], [tree.root]
    while waiting:
        step = waiting.pop()
        steps.append(step)
        if step < tree.num_nodes:
            waiting.append(tree.num_nodes + step)
            if step >= tree.num_leaves:
                waiting += reversed(children[step - tree.num_leaves])
    return np.array(steps, dtype=np.intp)
