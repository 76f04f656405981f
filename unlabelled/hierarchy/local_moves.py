"""Local search over trees by the exact Dasgupta cost (ours; docs/methods/shhc.md#tree-search).

Published methods do not compare their tree with its neighbours. Here each subtree is moved to the position of
least cost, until no single move lowers the cost. Three steps leave such local optima: small clusters are
merged at random and then moved as a whole, which arranges the large ones differently; the descent starts from
several such trees and from given ones; and the best tree is annealed, with positions drawn from their
Boltzmann distribution. The result costs at most as much as the cheapest given tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unlabelled.hierarchy.tree import Floats, Tree
from unlabelled.hierarchy.tree_search import TreeSearch
from unlabelled.seeding import numpy_generator


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of a search.

    Args:
        tree: The cheapest tree; its heights are 1, 2, ...
        cost: Its Dasgupta cost, each pair counted once.
        report: The best cost after each phase and the number of moves, by name.
    """

    tree: Tree
    cost: float
    report: dict[str, float]


class LocalSearch:
    """Descent by prune-and-regraft moves from several starts, and annealing of the best result.

    Takes O(K^2) time per sweep and 32 K^2 bytes. The seed determines the result, unless the time limit is
    reached.

    Args:
        random_starts: Number of random trees over small clusters of each of the two cheapest given trees.
        num_descents: Number of trees whose subtrees are moved: the cheapest given one, and the cheapest of
            those from random starts.
        descent_sweeps: Largest number of sweeps of one descent; a sweep tries each subtree once. The last
            descent, from the cheapest tree, ends with a sweep without a move.
        annealing_sweeps: Number of sweeps of the annealing; each moves every subtree once. 0: no annealing.
        temperature: First temperature, relative to the standard deviation of the weights times K times the
            number of samples, which is about the cost of a leaf on the wrong side of the root.
        cooling: Last temperature, relative to the first one; it falls exponentially.
        time_limit: Seconds after which the cheapest tree so far is returned; None: no limit.
    """

    def __init__(
        self,
        random_starts: int = 6,
        num_descents: int = 2,
        descent_sweeps: int = 10,
        annealing_sweeps: int = 8,
        temperature: float = 0.05,
        cooling: float = 0.05,
        time_limit: float | None = None,
    ) -> None:
        if min(random_starts, annealing_sweeps) < 0 or min(num_descents, descent_sweeps) < 1:
            raise ValueError(
                f"LocalSearch: random_starts={random_starts}, annealing_sweeps={annealing_sweeps}, "
                f"num_descents={num_descents}, descent_sweeps={descent_sweeps}; expected at least 0 of the "
                "first two and at least 1 of the others"
            )
        if not temperature > 0 or not 0 < cooling <= 1 or (time_limit is not None and not time_limit >= 0):
            raise ValueError(
                f"LocalSearch: temperature={temperature}, cooling={cooling}, time_limit={time_limit}; "
                "expected a positive number, one in (0, 1], and seconds or None"
            )
        self.random_starts, self.num_descents = random_starts, num_descents
        self.descent_sweeps, self.annealing_sweeps = descent_sweeps, annealing_sweeps
        self.temperature, self.cooling, self.time_limit = temperature, cooling, time_limit

    def improve(
        self, starts: Sequence[Tree], weights: Floats, counts: Floats | None = None, seed: int = 0
    ) -> SearchResult:
        """Return the cheapest tree found, at most as expensive as the cheapest start.

        Args:
            starts: Trees over the same K leaves, at least one.
            weights: ``(K, K)`` symmetric with a diagonal of 0: w, or its sum over the samples of two leaves.
            counts: ``(K,)`` samples per leaf; None: 1.
            seed: Seed of random starts, of the order of subtrees, and of annealing.
        """
        if not starts:
            raise ValueError("LocalSearch: no tree to start from; give at least one")
        search = TreeSearch(weights, np.ones(len(weights)) if counts is None else counts, self.time_limit)
        given = sorted(starts, key=search.offer)
        report = {"cost_start": search.cost}
        joined = search.rejoin(given[:2], self.random_starts, self.descent_sweeps, seed)
        for index, tree in enumerate([given[0], *joined][: self.num_descents]):
            search.descend(tree, self.descent_sweeps, numpy_generator(seed, "descent", index))
        report["cost_descent"] = search.cost
        if self.annealing_sweeps:
            annealed = search.anneal(self.annealing_sweeps, self.temperature, self.cooling, seed)
            search.descend(annealed, self.descent_sweeps, numpy_generator(seed, "annealed"))
            report["cost_annealing"] = search.cost
        search.descend(search.tree, None, numpy_generator(seed, "last"))
        report |= {"moves": float(search.moves), "time_limit_reached": float(search.is_late())}
        return SearchResult(search.tree, search.cost, report)
