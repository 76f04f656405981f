"""Write trees, their leaves, and figures of the best one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unlabelled.commands.hierarchy.runs import Run
from unlabelled.commands.hierarchy.study import Study
from unlabelled.hierarchy.tree import Tree
from unlabelled.visualization.dendrogram import dendrogram
from unlabelled.visualization.groups import Groups
from unlabelled.visualization.hierarchy_disk import hierarchy_disk
from unlabelled.visualization.reordered_similarity import reordered_similarity

_DPI = 110


def write_tree(folder: Path, run: Run, names: Sequence[str] | None) -> None:
    """Write the tree of a run as scipy's linkage matrix and in Newick format with the names of the leaves."""
    if run.tree is None:
        return
    trees = folder / "trees"
    trees.mkdir(exist_ok=True)
    np.save(trees / f"{run.label}.npy", run.tree.to_linkage())
    (trees / f"{run.label}.nwk").write_text(run.tree.newick(names) + "\n", encoding="utf-8")


def write_leaves(folder: Path, study: Study) -> None:
    """Write the leaf of each sample, and the cluster, count, centroid and medoid of each leaf.

    Similarities have no centroids.
    """
    arrays: dict[str, Any] = {
        "leaf_of_sample": study.pre.labels,
        "clusters": study.pre.clusters,
        "counts": study.pre.counts,
        "medoids": study.pre.medoids(study.features),
    }
    if study.plan.similarity != "matrix":
        arrays["centroids"] = study.pre.centroids
    np.savez(folder / "leaves.npz", **arrays)


def leaf_names(study: Study, names: Sequence[str] | None) -> list[str] | None:
    """Return the names of the medoids of all leaves; None without names."""
    if names is None:
        return None
    return [names[sample] for sample in study.pre.medoids(study.features).tolist()]


def write_figures(folder: Path, study: Study, run: Run, names: Sequence[str] | None) -> None:
    """Write ``disk.png``, ``dendrogram.png`` and ``similarity.png`` of a run over the leaves.

    Raises:
        ValueError: The run has no tree.
    """
    tree = run.tree
    if tree is None:
        raise ValueError(f"figures: {run.label} has no tree")
    title = f"{run.label}, {tree.num_leaves} leaves, {study.plan.similarity}"
    blocks = min([*study.plan.cuts, 10][0], tree.num_leaves)  # the drawn cut
    groups = _groups(study, tree, blocks)
    counts = study.pre.counts
    similarity = study.leaves.similarity
    figures: dict[str, Callable[[], Figure]] = {
        "disk": lambda: hierarchy_disk(tree, groups, counts, names, title),
        "dendrogram": lambda: dendrogram(tree, groups, counts, names, title=title),
        "similarity": lambda: reordered_similarity(similarity, tree, blocks, groups, names, title),
    }
    for name, draw in figures.items():
        draw().savefig(folder / f"{name}.png", dpi=_DPI)


def _groups(study: Study, tree: Tree, num_clusters: int) -> Groups:
    if study.classes is None:
        return Groups.from_cut(tree, num_clusters, study.pre.counts)
    table = study.classes.table(study.pre.labels, tree.num_leaves)
    return Groups(table, study.classes.names, "class")
