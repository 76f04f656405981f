"""The cheapest tree so far, and the steps of a search for a cheaper one."""

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
"""Smallest gain of a move, relative to the sum of all weights: above rounding, below any relevant gain."""
NEGLIGIBLE = 30.0
"""Temperatures above the best place at which another one is not drawn: their odds are below 1e-13."""
COARSE_SHARE = 3
"""Leaves per cluster, on average, where random starts join clusters."""
SMALLEST_COARSE = 50
"""Random starts join at least so many clusters, or the leaves themselves where there are fewer."""


class TreeSearch:
    """A search for the tree with the lowest cost; it keeps the cheapest tree.

    Args:
        weights: ``(K, K)`` symmetric, with a diagonal of 0.
        counts: ``(K,)`` samples per leaf.
        time_limit: Seconds after which all methods return early; None: no limit.

    Attributes:
        tree: The cheapest tree so far.
        cost: Its Dasgupta cost, each pair counted once; infinite before the first.
        moves: Subtrees moved.
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
        """Keep a tree if it is the cheapest; return its cost, computed afresh."""
        cost = dasgupta_1x(tree, self.weights, self.counts)
        if cost < self.cost:
            self.tree, self.cost = tree, cost
        return cost

    def descend(self, tree: Tree, max_sweeps: int | None, rng: np.random.Generator) -> None:
        """Move each subtree to its best place, repeatedly until none moves, and offer the result."""
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

    def join_anew(self, trees: Sequence[Tree], random_starts: int, max_sweeps: int, seed: int) -> list[Tree]:
        """Return trees in which small clusters of given ones are joined in other ways, the cheapest first.

        The clusters are joined at random and then moved as wholes, ``random_starts`` times for each tree.
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
                joined = coarse.expand(inner.tree)
                found[float(f"{self.offer(joined):.12g}")] = joined  # the same one is found repeatedly
        return [found[cost] for cost in sorted(found)]

    def anneal(self, sweeps: int, temperature: float, cooling: float, seed: int) -> Tree:
        """Return the tree after random moves, with a temperature that falls.

        Args:
            sweeps: In each, every subtree is moved once.
            temperature: At the beginning, see :class:`LocalSearch`.
            cooling: Of the temperature, until the end.
            seed: Of all random draws.
        """
        mutable = MutableTree(self.tree, self.weights, self.counts)
        rng = numpy_generator(seed, "annealing")
        scale = temperature * self._spread()
        for sweep in range(sweeps if scale > 0 else 0):  # without spread all trees cost the same
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
            places = np.flatnonzero(gains < lowest + NEGLIGIBLE * temperature)
            odds = np.exp((lowest - gains[places]) / temperature).cumsum()
            place = int(places[odds.searchsorted(draw * odds[-1], side="right")])
            if place != mutable.sibling[subtree]:
                mutable.move(subtree, place)
                self.moves += 1

    def _spread(self) -> float:
        """Return the weights' standard deviation, times the leaves, times the samples."""
        pairs = self.weights[np.triu_indices(len(self.weights), 1)]
        return float(pairs.std() * len(self.weights) * self.counts.sum()) if len(pairs) else 0.0
