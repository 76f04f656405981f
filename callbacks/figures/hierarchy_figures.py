"""Figures of the hierarchies of clusters, in TensorBoard and as PNG files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from torch import Tensor

from callbacks.figures.clip_figures import IMAGE, ClipFigures
from callbacks.shared.batches import datamodule
from callbacks.shared.loggers import publish
from unlabelled.batch import Batch
from unlabelled.contracts import GroupsClasses, HasHierarchies, Labelled
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.metrics.clustering import contingency
from unlabelled.visualization.dendrogram import dendrogram
from unlabelled.visualization.groups import Groups
from unlabelled.visualization.hierarchy_disk import hierarchy_disk
from unlabelled.visualization.reordered_similarity import reordered_similarity

_NO_CLIP = 240  # the grey of a leaf without a held-out clip


class HierarchyFigures(ClipFigures):
    """Draw the tree of head 0 of each hierarchy, with its predictions for held-out clips.

    The tree in the Poincaré disk, coloured by the clips' classes and, if those belong to groups, by groups; a
    dendrogram with the most confident clip of each cluster (none where clips are audio alone); the
    similarities of the centroids in plain order and in that of the tree. From the first process's share of
    the held-out clips, at the end of ``test`` and every few epochs of ``fit``; nothing before the first
    clustering pass.

    Args:
        every_n_epochs: Epochs between two sets of figures in ``fit``, whose last epoch is drawn too.
        max_clips: Clips kept for the figures, evenly spread.
        num_branches: Branches of the dendrogram, of a larger tree the uppermost.
        num_blocks: Clusters with a frame in the matrix of similarities; ``null``: as many as groups, or
            else as classes.

    Raises:
        ValueError: A number is below 1.

    Source: sHHC paper (ICCV 2023) Figures 3 and 4.
    """

    def __init__(
        self,
        every_n_epochs: int = 10,
        max_clips: int = 2000,
        num_branches: int = 40,
        num_blocks: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs, max_clips)
        if min(num_branches, num_branches if num_blocks is None else num_blocks) < 1:
            raise ValueError(
                f"HierarchyFigures: num_branches={num_branches} and num_blocks={num_blocks} must be at "
                "least 1"
            )
        self.num_branches, self.num_blocks = num_branches, num_blocks
        self._told = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are hierarchies and classes."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, HasHierarchies) or not isinstance(data, Labelled):
            raise MisconfigurationException(
                "HierarchyFigures needs a method with hierarchies (unlabelled.contracts.HasHierarchies) and "
                f"a data module with class_names; the method is {type(pl_module).__name__}"
            )

    def ready(self, pl_module: LightningModule) -> bool:
        """Return whether there are trees."""
        assert isinstance(pl_module, HasHierarchies)
        there = all(tree is not None for tree in pl_module.hierarchies)
        if not there and not self._told:
            rank_zero_info("HierarchyFigures: there is nothing to draw before the first clustering pass")
            self._told = True
        return there

    def look(self, pl_module: LightningModule, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Keep the prediction of head 0 of each hierarchy."""
        assert isinstance(pl_module, HasHierarchies)
        joint = torch.stack(list(outputs["cluster_log_probs"].values())).sum(0)  # (B, W, K)
        confidence, cluster = joint[:, :: pl_module.num_heads].softmax(2).max(2)
        return {"confidence": confidence, "cluster": cluster}

    def draw(self, trainer: Trainer, pl_module: LightningModule, rows: dict[str, Tensor]) -> None:
        """Publish the figures of each hierarchy."""
        assert isinstance(pl_module, HasHierarchies)
        trees = pl_module.hierarchies[:: pl_module.num_heads]
        for number, (name, tree) in enumerate(zip(pl_module.clustering_names, trees, strict=True)):
            assert tree is not None
            cluster, confidence = rows["cluster"][:, number], rows["confidence"][:, number]
            colourings = _colourings(trainer, tree, cluster, rows["label"])
            images = _thumbnails(tree, cluster, confidence, rows[IMAGE]) if IMAGE in rows else None
            self._publish(trainer, name, tree, colourings, images)

    def _publish(
        self,
        trainer: Trainer,
        name: str,
        tree: ClusterTree,
        colourings: dict[str, Groups],
        images: NDArray[np.uint8] | None,
    ) -> None:
        classes, title = colourings["classes"], f"{name}, head 0"
        counts, names = tree.counts.numpy(), _leaf_names(tree, classes)
        for what, groups in colourings.items():
            disk = hierarchy_disk(tree.tree, groups, counts, names, title)
            publish(trainer, f"hierarchy_{name}_disk_{what}", disk)
        drawn = dendrogram(tree.tree, classes, counts, names, images, self.num_branches, title)
        publish(trainer, f"hierarchy_{name}_dendrogram", drawn)
        coarsest = next(reversed(colourings.values()))
        blocks = self.num_blocks or len(coarsest.names)
        matrix = reordered_similarity(tree.leaves().similarity, tree.tree, blocks, classes, names, title)
        publish(trainer, f"hierarchy_{name}_similarity", matrix)


def _colourings(trainer: Trainer, tree: ClusterTree, cluster: Tensor, label: Tensor) -> dict[str, Groups]:
    """Return how many of the clips of each class, and of each group, are in each leaf."""
    data = datamodule(trainer)
    table = contingency(cluster, label, tree.num_clusters, len(data.class_names))[tree.clusters].numpy()
    found = {"classes": Groups(table.astype(np.float64), list(data.class_names), "class")}
    if isinstance(data, GroupsClasses):
        names, numbers = np.unique(np.array(data.class_groups), return_inverse=True)
        grouped = np.stack([table[:, numbers == number].sum(1) for number in range(len(names))], 1)
        found["groups"] = Groups(grouped.astype(np.float64), names.tolist(), "group")
    return found


def _leaf_names(tree: ClusterTree, classes: Groups) -> list[str]:
    """Call a leaf by its cluster and the class that most of its clips are of."""
    return [
        f"{cluster} {classes.names[main]}" if main >= 0 else str(cluster)
        for cluster, main in zip(tree.clusters.tolist(), classes.main().tolist(), strict=True)
    ]


def _thumbnails(tree: ClusterTree, cluster: Tensor, confidence: Tensor, images: Tensor) -> NDArray[np.uint8]:
    """Return the most confident clip's frame ``(L, h, w, 3)`` of each leaf; grey where there is none."""
    best = torch.full((tree.num_clusters,), len(images))
    order = confidence.argsort(stable=True)
    for clip in order.tolist():  # the most confident one comes last
        best[cluster[clip]] = clip
    blank = images.new_full((1, *images.shape[1:]), _NO_CLIP)
    chosen = torch.cat([images, blank])[best[tree.clusters]]
    return chosen.permute(0, 2, 3, 1).numpy()
