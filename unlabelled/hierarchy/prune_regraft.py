"""A mutable tree, and the exact change of its Dasgupta cost by each prune-and-regraft move.

Such a move removes a subtree S together with its parent and inserts it above another node x, with a new
parent. Let ``w(v)`` be the weight between S and the leaves under v, ``n(v)`` their number, both without S,
and ``cut(v)`` the weight between the children of v. Then the cost with S above x is that without S, plus a
constant, plus the sum over the nodes v from below the root down to x of

    |S| cut(parent(v)) - n(sibling(v)) w(v),

where the cuts are those without S. So a cumulative sum over the leaves gives w for all v, and one over an
Euler tour of the tree gives the cost for all x: O(K) for all positions of one subtree, O(K^2) for all moves.
"""

from __future__ import annotations

import numpy as np
import torch

from unlabelled.hierarchy.euler_tour import EulerTour
from unlabelled.hierarchy.tree import Floats, Tree


class MutableTree:
    """A tree over K leaves with the sums that moves require; a moved node keeps its number.

    Memory is ``(2K-1, K)`` float64, 16 MB at K = 1000.

    Args:
        tree: The first tree.
        weights: ``(K, K)`` symmetric, the diagonal is 0.
        counts: ``(K,)`` samples per leaf.

    Attributes:
        parent: Parents of all nodes; -1 for the root.
        sibling: Siblings of all nodes; -1 for the root.
        sizes: ``(2K-1,)`` numbers of samples under the nodes.
        cuts: ``(2K-1,)`` weights between the children of the nodes; 0 for leaves.
    """

    def __init__(self, tree: Tree, weights: Floats, counts: Floats) -> None:
        self.num_nodes, self.root = tree.num_nodes, tree.root
        self.parent: list[int] = tree.parents.tolist()  # lists, because paths are walked node by node
        self.sibling = [-1] * tree.num_nodes
        self.sizes = np.concatenate([counts, np.zeros(len(tree.merges))])
        self.cuts = np.zeros(tree.num_nodes)
        self._tour, self._work = EulerTour(tree), _Work(tree.num_leaves)
        self._rows = np.empty((tree.num_nodes, tree.num_leaves))  # weight between each node and each leaf
        self._rows[: tree.num_leaves] = weights
        for node, (left, right) in enumerate(tree.merges.tolist(), start=tree.num_leaves):
            self.sibling[left], self.sibling[right] = right, left
            self.sizes[node] = self.sizes[left] + self.sizes[right]
            self.cuts[node] = self._rows[left].take(self._tour.leaf_order[self._tour.leaves(right)]).sum()
            np.add(self._rows[left], self._rows[right], out=self._rows[node])
        self._cut_above = np.zeros(tree.num_nodes)
        self._sibling_size = np.zeros(tree.num_nodes)
        self._refresh_steps(list(range(tree.num_nodes)))

    @property
    def cost(self) -> float:
        """Dasgupta cost of the tree, with each pair counted once."""
        return float(self.cuts @ self.sizes)

    def to_tree(self) -> Tree:
        """Return the present tree."""
        return Tree.from_parents(self.parent)

    def gains(self, subtree: int) -> Floats:
        """Return the changes of cost ``(2K-1,)`` if ``subtree`` is moved above each node.

        They are infinite for the nodes of ``subtree`` and its parent, and 0 for its sibling, which is its
        present position. The root cannot be moved. The next call overwrites the result.
        """
        n, size, tour, work = self.num_nodes, self.sizes[subtree], self._tour, self._work
        self._rows[subtree].take(tour.leaf_order, out=work.to_leaves, mode="clip")
        work.to_leaves[tour.leaves(subtree)] = 0
        work.sum_leaves()
        work.totals.take(tour.leaves_before, out=work.tour, mode="clip")
        to_nodes = np.subtract(work.tour[n:], work.tour[:n], out=work.to_nodes)
        steps = np.multiply(self._sibling_size, to_nodes, out=work.steps[:n])
        np.subtract(np.multiply(self._cut_above, size, out=work.gains), steps, out=steps)
        path = self._path(self.parent[subtree])[:-1]  # S is removed from their parents' cuts
        steps[path] -= size * to_nodes[[self.sibling[node] for node in path]]
        np.negative(steps, out=work.steps[n:])  # an exit subtracts what its entry adds
        work.steps.take(tour.steps, out=work.tour, mode="clip")
        work.sum_tour()
        work.tour[tour.span(subtree)] = np.inf
        gains = work.tour.take(tour.position[:n], out=work.gains, mode="clip")
        gains -= gains[self.sibling[subtree]]
        gains[self.parent[subtree]] = np.inf
        return gains

    def move(self, subtree: int, above: int) -> None:
        """Move ``subtree`` above a node of finite gain; the last call of ``gains`` must have been for it."""
        joint, sibling = self.parent[subtree], self.sibling[subtree]
        if above == sibling:
            return
        self._tour.move(subtree, joint, above)
        left = self._path(self.parent[joint])
        self._replace(joint, sibling)
        entered = self._path(self.parent[above])
        self._replace(above, joint)
        self.parent[above] = self.parent[subtree] = joint
        self.sibling[above], self.sibling[subtree] = subtree, above
        common = _common_end(left, entered)
        self._shift_sums(subtree, left, sibling, common, -1)
        self._shift_sums(subtree, entered, above, common, 1)
        self.cuts[joint] = self._work.to_nodes[above]
        self.sizes[joint] = self.sizes[above] + self.sizes[subtree]
        np.add(self._rows[above], self._rows[subtree], out=self._rows[joint])
        changed = left[: len(left) - common] + entered[: len(entered) - common]
        self._refresh_steps([subtree, above, sibling, joint, *changed])

    def _path(self, node: int) -> list[int]:
        """Return the nodes from ``node`` up to the root; none if ``node`` is -1."""
        path = []
        while node >= 0:
            path.append(node)
            node = self.parent[node]
        return path

    def _replace(self, old: int, new: int) -> None:
        """Put ``new`` at the position of ``old``."""
        parent, sibling = self.parent[old], self.sibling[old]
        self.parent[new], self.sibling[new] = parent, sibling
        if parent < 0:
            self.root = new
        else:
            self.sibling[sibling] = new

    def _shift_sums(self, subtree: int, path: list[int], child: int, common: int, sign: int) -> None:
        """Add ``subtree`` to the nodes of a path that starts above ``child``; subtract it if ``sign`` is -1.

        The last ``common`` nodes of the path contain ``subtree`` before and after the move; only the cut of
        the first of them changes.
        """
        below = path[: len(path) - common]
        nodes = path[: len(below) + 1]
        children = [child, *nodes[:-1]][: len(nodes)]
        to_nodes, moved = self._work.to_nodes, self._rows[subtree]
        self.cuts[nodes] += sign * (to_nodes[nodes] - to_nodes[children])
        self.sizes[below] += sign * self.sizes[subtree]
        change = np.add if sign > 0 else np.subtract
        for node in below:
            change(self._rows[node], moved, out=self._rows[node])

    def _refresh_steps(self, nodes: list[int]) -> None:
        """Update the values that ``gains`` reads for ``nodes`` and their siblings."""
        nodes = [node for node in nodes if node != self.root]
        siblings = [self.sibling[node] for node in nodes]
        parents = [self.parent[node] for node in nodes]
        self._cut_above[nodes + siblings] = self.cuts[parents + parents]
        self._sibling_size[nodes + siblings] = self.sizes[siblings + nodes]
        self._cut_above[self.root] = self._sibling_size[self.root] = 0


def all_gains(tree: Tree, weights: Floats, counts: Floats | None = None) -> Floats:
    """Return the exact changes of cost ``(2K-1, 2K-1)`` by all prune-and-regraft moves, in O(K^2).

    Row S is the result of :meth:`MutableTree.gains` for subtree S; the row of the root is infinite.
    """
    mutable = MutableTree(tree, weights, np.ones(tree.num_leaves) if counts is None else counts)
    gains = np.full((tree.num_nodes, tree.num_nodes), np.inf)
    for subtree in range(tree.num_nodes - 1):
        gains[subtree] = mutable.gains(subtree)
    return gains


class _Work:
    """Work space of ``gains``, so that its calls allocate no memory."""

    def __init__(self, num_leaves: int) -> None:
        num_nodes = 2 * num_leaves - 1
        self.to_leaves = np.empty(num_leaves)  # weight between S and each leaf
        self.totals = np.zeros(num_leaves + 1)
        self.to_nodes = np.empty(num_nodes)
        self.steps = np.empty(2 * num_nodes)
        self.tour = np.empty(2 * num_nodes)
        self.gains = np.empty(num_nodes)
        # cumulative sums of torch take a third of the time of NumPy
        self._leaves, self._leaf_totals = torch.from_numpy(self.to_leaves), torch.from_numpy(self.totals)[1:]
        self._tour = torch.from_numpy(self.tour)

    def sum_leaves(self) -> None:
        """Write the cumulative sum of ``to_leaves`` into ``totals``, after a 0."""
        torch.cumsum(self._leaves, 0, out=self._leaf_totals)

    def sum_tour(self) -> None:
        """Replace ``tour`` by its cumulative sum."""
        self._tour.cumsum_(0)


def _common_end(left: list[int], entered: list[int]) -> int:
    """Return the number of nodes that two paths to the root share."""
    count = 0
    for a, b in zip(reversed(left), reversed(entered), strict=False):
        if a != b:
            break
        count += 1
    return count
