"""A comparison of methods: features, their leaves, and the data for costs and scores."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

import numpy as np
import torch

from unlabelled.commands.hierarchy.given_trees import GivenTree
from unlabelled.commands.hierarchy.held_out import Half, halves
from unlabelled.commands.hierarchy.pre_clusters import PreClustering, PreClusters, Rows
from unlabelled.commands.hierarchy.runs import METHODS, SAMPLE_METHODS, Run, measured, run_factory, run_method
from unlabelled.commands.hierarchy.sample_cost import SampleCost
from unlabelled.hierarchy.leaves import Leaves, Similarity
from unlabelled.hierarchy.local_moves import LocalSearch
from unlabelled.hierarchy.tree import Floats, Indices, Tree
from unlabelled.metrics.dendrogram import dendrogram_purity, level_scores, merged_rows

logger = logging.getLogger(__name__)
MOST_CLASSES = 10_000
_ROUNDING = 1e-9  # bound of the relative difference between sums in different order


@dataclass(frozen=True)
class Plan:
    """The options of a comparison.

    Args:
        methods: Names of ``METHODS``.
        similarity: The similarity of two samples, and of two leaves; ``matrix``: the input has them.
        num_leaves: The number of pre-clusters; as many or fewer rows are the leaves themselves.
        all_samples_up_to: Largest number of rows for which ``SAMPLE_METHODS`` also run without pre-clusters.
        cuts: Numbers of clusters to compare with labels.
        seed: The seed of all random numbers.
    """

    methods: Sequence[str] = tuple(METHODS)
    similarity: Similarity | Literal["matrix"] = "half_cosine"
    num_leaves: int = 1000
    all_samples_up_to: int = 2000
    cuts: Sequence[int] = (10, 30, 100)
    seed: int = 0

    def cuts_of(self, tree: Tree) -> list[int]:
        """Return the cuts with at most as many clusters as the tree has leaves."""
        return [cut for cut in self.cuts if cut <= tree.num_leaves]


@dataclass(frozen=True, eq=False)
class Classes:
    """The labels of the rows.

    Args:
        names: ``(C,)`` the distinct labels in natural order: ``class 9`` before ``class 10``.
        labels: ``(n,)`` the index of each row's label in ``names``.
    """

    names: list[str]
    labels: Indices

    @classmethod
    def of(cls, texts: Sequence[str]) -> Classes:
        """Return the classes of the labels of all rows.

        Raises:
            ValueError: There are more than 10,000 distinct labels.

        >>> Classes.of(["class 10", "class 9", "class 10"]).names
        ['class 9', 'class 10']
        """
        names = sorted(set(texts), key=_natural)
        if len(names) > MOST_CLASSES:
            raise ValueError(
                f"labels: {len(names)} distinct ones in {len(texts)} rows, expected at most {MOST_CLASSES}; "
                "give names of rows as --names"
            )
        numbers = {name: number for number, name in enumerate(names)}
        return cls(names, np.array([numbers[text] for text in texts], dtype=np.int64))

    def table(self, leaves: Indices, num_leaves: int) -> Floats:
        """Return the numbers of rows ``(L, C)`` of each leaf and class, for the leaf ``(n,)`` of each row."""
        flat = leaves * len(self.names) + self.labels
        counts = np.bincount(flat, minlength=num_leaves * len(self.names))
        return counts.reshape(num_leaves, -1).astype(np.float64)


@dataclass(eq=False)
class Study:
    """A comparison of methods on one file of features.

    Attributes:
        features: ``(n, d)``, or similarities ``(n, n)`` if ``plan.similarity`` is ``matrix``.
        plan: The options.
        pre: The leaves.
        pre_seconds: The duration of pre-clustering; 0 without it.
        pre_peak_gib: The peak memory of pre-clustering in GiB.
        sample_cost: The costs over all samples; None: not available.
        no_sample_cost: The reason why they are not available.
        classes: The labels of the rows, if given.
        halves: Leaves of halves of the samples with the other halves held out; empty: there are few rows.
        given: Trees over the leaves that no method made, by name.
        runs: The runs so far.
    """

    features: Rows
    plan: Plan
    pre: PreClusters
    pre_seconds: float = 0.0
    pre_peak_gib: float = 0.0
    sample_cost: SampleCost | None = None
    no_sample_cost: str = ""
    classes: Classes | None = None
    halves: Sequence[Half] = ()
    given: dict[str, Tree] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    @classmethod
    def prepare(cls, features: Rows, plan: Plan, classes: Classes | None = None) -> Study:
        """Return a study whose leaves are the rows, or pre-clusters of more rows than ``plan.num_leaves``."""
        if plan.similarity == "matrix":
            if len(features) > plan.num_leaves:
                raise ValueError(
                    f"{len(features)} rows of similarities, but --leaves {plan.num_leaves}: pre-clustering "
                    f"requires features; set --leaves {len(features)}"
                )
            pre, reason = PreClusters.of_rows(features), "the leaves are the samples"
            return cls(features, plan, pre, no_sample_cost=reason, classes=classes)
        parts = halves(features, plan.num_leaves, plan.similarity, plan.seed)
        if len(features) <= plan.num_leaves:
            pre, reason = PreClusters.of_rows(features), "the leaves are the samples"
            return cls(features, plan, pre, no_sample_cost=reason, classes=classes, halves=parts)
        pre, seconds, peak = measured(lambda: PreClustering().fit(features, plan.num_leaves, plan.seed))
        study = cls(features, plan, pre, seconds, peak, classes=classes, halves=parts)
        try:
            study.sample_cost = SampleCost.of(features, pre, plan.similarity)
        except (ValueError, MemoryError) as error:
            study.no_sample_cost = f"not computed: {error}"
            logger.warning("%s", study.no_sample_cost)
        return study

    @cached_property
    def leaves(self) -> Leaves:
        """The leaves with their similarities."""
        if self.plan.similarity == "matrix":
            return Leaves.from_similarity(self.features)
        return self.pre.leaves(self.plan.similarity)

    @property
    def is_pre_clustered(self) -> bool:
        """True if the leaves are pre-clusters, not single samples."""
        return len(self.pre.counts) < len(self.features)

    @property
    def best(self) -> Run | None:
        """The run over the leaves of the highest agreement with held-out samples; of equal ones the cheapest.

        Without agreements it is the run with the cheapest tree; of equally cheap ones ``shhc``, else the
        first.
        """
        candidates = [run for run in self.runs if run.on == "leaves" and run.tree is not None]
        highest = max((run.agreement for run in candidates if run.agreement is not None), default=None)
        candidates = [run for run in candidates if run.agreement == highest]
        lowest = min((run.costs["leaves_1x"] for run in candidates), default=0.0)
        equal = [run for run in candidates if run.costs["leaves_1x"] <= lowest * (1 + _ROUNDING)]
        return min(equal, key=lambda run: run.method != "shhc", default=None)

    def run_all(self) -> Iterator[Run]:
        """Run all methods, and yield each run when it is complete."""
        for method in self.plan.methods:
            run = run_method(method, self.leaves, self.plan.seed)
            if run.tree is not None and self.sample_cost is not None:
                run.costs["samples_1x"] = self.sample_cost.cost_1x(run.tree)
            if run.tree is not None:
                run.agreement = self._agreement(method)
            yield self._scored(run, self.pre.labels)
        for name, tree in self.given.items():
            for label, search in ((name, None), (f"{name}-improved", LocalSearch())):
                factory = partial(GivenTree, tree, search)
                yield self._scored(run_factory(label, factory, self.leaves, self.plan.seed), self.pre.labels)
        selected = [name for name in SAMPLE_METHODS if name in self.plan.methods]
        few = len(self.features) <= self.plan.all_samples_up_to
        if self.is_pre_clustered and selected and few and self.plan.similarity != "matrix":
            samples = Leaves.from_features(self.features, self.plan.similarity)
            for method in selected:
                run = run_method(method, samples, self.plan.seed, "samples")
                yield self._scored(run, np.arange(len(self.features)))

    def _agreement(self, method: str) -> float | None:
        """Return the mean agreement of trees of both halves; None: no halves, or the method failed."""
        trees = [run_method(method, half.leaves, self.plan.seed).tree for half in self.halves]
        if not trees or None in trees:
            return None
        pairs = zip(self.halves, trees, strict=True)
        return float(np.mean([half.agreement(tree) for half, tree in pairs if tree is not None]))

    def _scored(self, run: Run, leaves: Indices) -> Run:
        if run.tree is not None and self.classes is not None:
            table = torch.from_numpy(self.classes.table(leaves, run.tree.num_leaves))
            run.scores["dendrogram_purity"] = dendrogram_purity(run.tree, table)
            for cut in self.plan.cuts_of(run.tree):
                scores = level_scores(merged_rows(table, torch.from_numpy(run.tree.cut(cut))))
                run.scores |= {f"{name}_cut{cut}": value for name, value in scores.items()}
        self.runs.append(run)
        return run


def _natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts ``class 9`` before ``class 10``."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", text)]
