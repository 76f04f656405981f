"""The scores of trees, head by head, as numbers to log and as tables to print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean, pstdev

from callbacks.shared.tables import Table
from unlabelled.metrics.hierarchy_scores import HierarchyScoring

Scores = dict[str, float]
TREE = "tree"
"""Name of the method's own tree beside linkages."""
ALONE = "tree, own modality alone"
"""The same, with the clusters that its own modality predicts."""


def over_heads(heads: list[Scores]) -> Scores:
    """Return the scores of head 0, and under ``_mean`` and ``_std`` those of all heads."""
    found = dict(heads[0])
    for name in heads[0]:
        values = [scores[name] for scores in heads]
        finite = all(map(math.isfinite, values))
        found[f"{name}_mean"] = fmean(values) if finite else math.nan
        found[f"{name}_std"] = pstdev(values) if finite else math.nan
    return found


def of_cuts(scoring: HierarchyScoring, scores: Scores) -> Scores:
    """Return those of :func:`over_heads`'s scores that are of levels, not of the trees as a whole."""
    tags = [tag for level in scoring.levels for tag in level.tags.values()]
    return {f"{tag}{suffix}": scores[f"{tag}{suffix}"] for tag in tags for _, suffix in _STATISTICS}


def cut_tables(name: str, scoring: HierarchyScoring, summaries: Mapping[str, Scores]) -> dict[str, Table]:
    """Lay out the scores of each level.

    Args:
        name: Of the hierarchy.
        scoring: The levels and measures.
        summaries: By tree, the result of :func:`over_heads`.
    """
    return {
        f"{name}, {level.clusters} clusters" + (", groups" if level.against else ""): _rows(
            summaries, level.tags
        )
        for level in scoring.levels
    }


def tree_tables(name: str, scoring: HierarchyScoring, summaries: Mapping[str, Scores]) -> dict[str, Table]:
    """Lay out the scores of the trees as a whole; arguments as above."""
    return {f"{name}, whole tree": _rows(summaries, {tag: tag for tag in scoring.tree_tags})}


def _rows(summaries: Mapping[str, Scores], tags: Mapping[str, str]) -> Table:
    return {
        f"{tree}{words}": {column: scores[f"{tag}{suffix}"] for column, tag in tags.items()}
        for tree, scores in summaries.items()
        for words, suffix in _STATISTICS
    }


_STATISTICS: Iterable[tuple[str, str]] = ((", head 0", ""), (", mean of heads", "_mean"), (", std", "_std"))
