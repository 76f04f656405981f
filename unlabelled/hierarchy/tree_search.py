"""The steps of a search for the cheapest tree."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from unlabelled.hierarchy.coarse import CoarseProblem, random_tree
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.prune_regraft import MutableTree
from unlabelled.hierarchy.tree import Floats, Tree
from unlabelled.seeding import numpy_generator

RELATIVE_TOLERANCE = 1e-9
"""Smallest gain of a move, relative to the sum of all weights; it is above rounding errors."""
NEGLIGIBLE = 30.0
"""Positions this many temperatures above the best one are not drawn: their odds are below 1e-13."""
COARSE_SHARE = 3
"""Mean number of leaves per cluster that random starts merge."""
SMALLEST_COARSE = 50
"""Smallest number of clusters that random starts merge, if there are so many leaves."""


class TreeSearch:
    """A search for the tree of lowest cost, with the cheapest tree so far.

    Args:
        weights: ``(K, K)`` symmetric, with a diagonal of 0.
        counts: ``(K,)`` samples per leaf.
        time_limit: Seconds after which all methods return early; None: no limit.

    Attributes:
        tree: The cheapest tree so far.
        cost: Its Dasgupta cost, with each pair counted once; infinite before the first tree.
        moves: Number of moves.
    """

    def __init__(self, weights: Floats, counts: Floats, time_limit: float | None = None) -> None:
        self.weights, self.counts = weights, counts
        self.tree, self.cost, self.moves = Tree([]), math.inf, 0
        self._deadline = math.inf if time_limit is None else time.monotonic() + time_limit
        self._smallest_gain = RELATIVE_TOLERANCE * float(np.abs(weights).sum()) / 2

    def is_late(self) -> bool:
        """Return whether the time limit has passed."""
        return time.monotonic() >= self._deadline

    def offer(self, tree: Tree) -> float:
        """Compute the cost of a tree, return it, and keep the tree if it is the cheapest."""
        cost = dasgupta_1x(tree, self.weights, self.counts)
        if cost < self.cost:
            self.tree, self.cost = tree, cost
        return cost

    def descend(self, tree: Tree, max_sweeps: int | None, rng: np.random.Generator) -> None:
        """Move each subtree to its best position until none moves, and offer the result.

        Args:
            tree: The first tree.
            max_sweeps: Largest number of sweeps over all subtrees; None: no limit.
            rng: Random generator of the order of subtrees.
        """
        mutable = MutableTree(tree, self.weights, self.counts)
        sweeps = 0
        while (max_sweeps is None or sweeps < max_sweeps) and self._descend_once(mutable, rng):
            sweeps += 1
        self.offer(mutable.to_tree())

    def _descend_once(self, mutable: MutableTree, rng: np.random.Generator) -> bool:
        before = self.moves
        for subtree in rng.permutation(mutable.num_nodes).tolist():
            if self.is_late():
                return False
            if subtree == mutable.root:
                continue
            gains = mutable.gains(subtree)
            best = int(gains.argmin())
            if gains[best] < -self._smallest_gain:
                mutable.move(subtree, best)
                self.moves += 1
        return self.moves > before

    def rejoin(self, trees: Sequence[Tree], random_starts: int, max_sweeps: int, seed: int) -> list[Tree]:
        """Return trees in which small clusters of given trees are merged differently, the cheapest first.

        The clusters are merged at random and then moved as a whole, ``random_starts`` times for each tree.
        """
        num_leaves = len(self.counts)
        num_clusters = min(num_leaves, max(SMALLEST_COARSE, num_leaves // COARSE_SHARE))
        found: dict[float, Tree] = {}
        for number, tree in enumerate(trees):
            coarse = CoarseProblem.from_cut(tree, num_clusters, self.weights, self.counts)
            for start in range(random_starts):
                if self.is_late():
                    break
                rng = numpy_generator(seed, "join anew", number, start)
                inner = TreeSearch(coarse.weights, coarse.counts, self._deadline - time.monotonic())
                inner.descend(random_tree(num_clusters, rng), max_sweeps, rng)
                self.moves += inner.moves
                expanded = coarse.expand(inner.tree)
                found[float(f"{self.offer(expanded):.12g}")] = (
                    expanded  # the same tree may be found repeatedly
                )
        return [found[cost] for cost in sorted(found)]

    def anneal(self, sweeps: int, temperature: float, cooling: float, seed: int) -> Tree:
        """Return the cheapest tree after random moves with a falling temperature.

        Args:
            sweeps: Number of sweeps; each moves every subtree once.
            temperature: First temperature, see :class:`LocalSearch`.
            cooling: Last temperature, relative to the first one.
            seed: Seed of all random draws.
        """
        mutable = MutableTree(self.tree, self.weights, self.counts)
        rng = numpy_generator(seed, "annealing")
        scale = temperature * self._spread()
        for sweep in range(sweeps if scale > 0 else 0):  # equal weights: all trees cost the same
            first, last = (cooling ** (step / sweeps) for step in (sweep, sweep + 1))
            self._anneal_once(mutable, scale * np.geomspace(first, last, mutable.num_nodes), rng)
        return mutable.to_tree()

    def _anneal_once(self, mutable: MutableTree, temperatures: Floats, rng: np.random.Generator) -> None:
        subtrees, draws = rng.permutation(mutable.num_nodes).tolist(), rng.random(mutable.num_nodes)
        for subtree, temperature, draw in zip(subtrees, temperatures, draws, strict=True):
            if self.is_late():
                return
            if subtree == mutable.root:
                continue
            gains = mutable.gains(subtree)
            lowest = gains.min()
            positions = np.flatnonzero(gains < lowest + NEGLIGIBLE * temperature)
            odds = np.exp((lowest - gains[positions]) / temperature).cumsum()
            position = int(positions[odds.searchsorted(draw * odds[-1], side="right")])
            if position != mutable.sibling[subtree]:
                mutable.move(subtree, position)
                self.moves += 1

    def _spread(self) -> float:
        """Return the standard deviation of the weights times the numbers of leaves and of samples."""
        pairs = self.weights[np.triu_indices(len(self.weights), 1)]
        return float(pairs.std() * len(self.weights) * self.counts.sum()) if len(pairs) else 0.0
