"""Summaries of the scores of trees over the heads, and their layout as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import fmean, pstdev

from callbacks.shared.tables import Table
from unlabelled.metrics.hierarchy_scores import HierarchyScoring

Scores = dict[str, float]
TREE = "tree"
"""Row of the tree of the method."""
ALONE = "tree, own modality alone"
"""Row of the tree of the method with the clusters that its modality predicts alone."""


def summarise_heads(heads: list[Scores]) -> Scores:
    """Return the scores of head 0 and, with ``_mean`` and ``_std`` appended, the statistics over all heads.

    >>> summarise_heads([{"nmi": 0.25}, {"nmi": 0.75}])
    {'nmi': 0.25, 'nmi_mean': 0.5, 'nmi_std': 0.25}
    """
    summary = dict(heads[0])
    for name in heads[0]:
        values = [scores[name] for scores in heads]
        finite = all(map(math.isfinite, values))
        summary[f"{name}_mean"] = fmean(values) if finite else math.nan
        summary[f"{name}_std"] = pstdev(values) if finite else math.nan
    return summary


def scores_of_cuts(scoring: HierarchyScoring, scores: Scores) -> Scores:
    """Return the scores of cuts, without those of whole trees, of a result of :func:`summarise_heads`."""
    tags = [tag for level in scoring.levels for tag in level.tags.values()]
    return {f"{tag}{suffix}": scores[f"{tag}{suffix}"] for tag in tags for _, suffix in _STATISTICS}


def cut_tables(name: str, scoring: HierarchyScoring, summaries: Mapping[str, Scores]) -> dict[str, Table]:
    """Return a table for each cut.

    Args:
        name: Name of the hierarchy.
        scoring: The cuts and measures.
        summaries: Results of :func:`summarise_heads` by tree.
    """
    return {
        f"{name}, {level.clusters} clusters" + (", groups" if level.against else ""): _rows(
            summaries, level.tags
        )
        for level in scoring.levels
    }


def tree_tables(name: str, scoring: HierarchyScoring, summaries: Mapping[str, Scores]) -> dict[str, Table]:
    """Return the table of the scores of whole trees; arguments as in :func:`cut_tables`."""
    return {f"{name}, whole tree": _rows(summaries, {tag: tag for tag in scoring.tree_tags})}


def _rows(summaries: Mapping[str, Scores], tags: Mapping[str, str]) -> Table:
    return {
        f"{tree}{statistic}": {column: scores[f"{tag}{suffix}"] for column, tag in tags.items()}
        for tree, scores in summaries.items()
        for statistic, suffix in _STATISTICS
    }


_STATISTICS: Iterable[tuple[str, str]] = ((", head 0", ""), (", mean of heads", "_mean"), (", std", "_std"))
