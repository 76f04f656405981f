"""Figures of the hierarchies of clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from numpy.typing import NDArray
from torch import Tensor

from callbacks.figures.clip_figures import IMAGE, ClipFigures
from callbacks.shared.batches import datamodule
from callbacks.shared.loggers import Messages, publish
from callbacks.shared.rows import NO_LABEL
from unlabelled.batch import Batch
from unlabelled.contracts import GroupsClasses, HasHierarchies, Labelled
from unlabelled.hierarchy.cluster_tree import ClusterTree
from unlabelled.metrics.clustering import contingency
from unlabelled.visualization.dendrogram import dendrogram
from unlabelled.visualization.groups import Groups
from unlabelled.visualization.hierarchy_disk import hierarchy_disk
from unlabelled.visualization.reordered_similarity import reordered_similarity

_NO_CLIP = 240  # grey level of a leaf without held-out clips
_CUT = 10  # clusters that are coloured where there are no classes


class HierarchyFigures(ClipFigures):
    """Draw the tree of head 0 of each hierarchy, with the predictions of the head for held-out clips.

    The figures are the tree in the Poincaré disk, coloured by the classes of the clips and, if these belong
    to groups, by the groups (without labels, by the clusters of a cut); a dendrogram with the image of the
    most confident clip of each cluster (without images where clips are audio alone); and the similarities of
    the centroids, in the original order and in that of the tree. The clips are held-out clips of rank 0, at
    the end of ``test`` and every few epochs of ``fit``. Before the first clustering pass there are no
    figures.

    Args:
        every_n_epochs: Epochs between two sets of figures in ``fit``, whose last epoch is drawn too.
        max_clips: Largest number of clips, which are evenly spread over the data set.
        num_branches: Branches of the dendrogram; of a larger tree the topmost.
        num_blocks: Number of clusters that are outlined in the matrix of similarities; ``null``: the number
            of groups, or of classes where there are no groups.

    Raises:
        ValueError: A number is below 1.
        MisconfigurationException: The method has no hierarchies
            (:class:`unlabelled.contracts.HasHierarchies`), or the data module has no classes.

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
        self._messages = Messages(self)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, HasHierarchies) or not isinstance(data, Labelled):
            raise MisconfigurationException(
                "HierarchyFigures needs a method with hierarchies (unlabelled.contracts.HasHierarchies) and "
                f"a data module with class_names; the method is {type(pl_module).__name__}"
            )

    def ready(self, pl_module: LightningModule) -> bool:
        """Return whether there are trees."""
        assert isinstance(pl_module, HasHierarchies)
        ready = all(tree is not None for tree in pl_module.hierarchies)
        if not ready:
            self._messages.log_once(": there are no trees to draw before the first clustering pass")
        return ready

    def select(self, pl_module: LightningModule, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Return the prediction of head 0 of each hierarchy."""
        assert isinstance(pl_module, HasHierarchies)
        joint = torch.stack(list(outputs["cluster_log_probs"].values())).sum(0)  # (B, W, K)
        confidence, cluster = joint[:, :: pl_module.num_heads].softmax(2).max(2)
        return {"confidence": confidence, "cluster": cluster}

    def draw(self, trainer: Trainer, pl_module: LightningModule, clips: dict[str, Tensor]) -> None:
        """Publish the figures of each hierarchy."""
        assert isinstance(pl_module, HasHierarchies)
        trees = pl_module.hierarchies[:: pl_module.num_heads]
        for number, (name, tree) in enumerate(zip(pl_module.clustering_names, trees, strict=True)):
            assert tree is not None
            cluster, confidence = clips["cluster"][:, number], clips["confidence"][:, number]
            colourings = _colourings(trainer, tree, cluster, clips["label"])
            images = _thumbnails(tree, cluster, confidence, clips[IMAGE]) if IMAGE in clips else None
            self._publish(trainer, name, tree, colourings, images)

    def _publish(
        self,
        trainer: Trainer,
        name: str,
        tree: ClusterTree,
        colourings: dict[str, Groups],
        images: NDArray[np.uint8] | None,
    ) -> None:
        classes, title = next(iter(colourings.values())), f"{name}, head 0"
        counts = tree.counts.numpy()
        names = (
            _leaf_names(tree, classes) if "classes" in colourings else list(map(str, tree.clusters.tolist()))
        )
        for kind, groups in colourings.items():
            disk = hierarchy_disk(tree.tree, groups, counts, names, title)
            publish(trainer, f"hierarchy_{name}_disk_{kind}", disk)
        branches = dendrogram(tree.tree, classes, counts, names, images, self.num_branches, title)
        publish(trainer, f"hierarchy_{name}_dendrogram", branches)
        coarsest = next(reversed(colourings.values()))
        blocks = self.num_blocks or len(coarsest.names)
        matrix = reordered_similarity(tree.leaves().similarity, tree.tree, blocks, classes, names, title)
        publish(trainer, f"hierarchy_{name}_similarity", matrix)


def _colourings(trainer: Trainer, tree: ClusterTree, cluster: Tensor, label: Tensor) -> dict[str, Groups]:
    """Return the numbers of clips in each leaf, by class and, if there are groups, by group.

    Without labels they are by the clusters of a cut.
    """
    data, known = datamodule(trainer), label != NO_LABEL
    if not data.class_names:
        counts = torch.bincount(cluster, minlength=tree.num_clusters)[tree.clusters].numpy()
        return {"cut": Groups.from_cut(tree.tree, _CUT, counts)}
    shape = tree.num_clusters, len(data.class_names)
    table = contingency(cluster[known], label[known], *shape)[tree.clusters].numpy()
    colourings = {"classes": Groups(table.astype(np.float64), list(data.class_names), "class")}
    if isinstance(data, GroupsClasses) and data.class_groups is not None:
        names, numbers = np.unique(np.array(data.class_groups), return_inverse=True)
        grouped = np.stack([table[:, numbers == number].sum(1) for number in range(len(names))], 1)
        colourings["groups"] = Groups(grouped.astype(np.float64), names.tolist(), "group")
    return colourings


def _leaf_names(tree: ClusterTree, classes: Groups) -> list[str]:
    """Return the name of each leaf: its cluster and the most frequent class of its clips."""
    return [
        f"{cluster} {classes.names[label]}" if label >= 0 else str(cluster)
        for cluster, label in zip(tree.clusters.tolist(), classes.main().tolist(), strict=True)
    ]


def _thumbnails(tree: ClusterTree, cluster: Tensor, confidence: Tensor, images: Tensor) -> NDArray[np.uint8]:
    """Return the image of the most confident clip of each leaf, ``(L, h, w, 3)``; grey if it has no clips."""
    best = torch.full((tree.num_clusters,), len(images))
    order = confidence.argsort(stable=True)
    for clip in order.tolist():  # the most confident clip is the last
        best[cluster[clip]] = clip
    blank = images.new_full((1, *images.shape[1:]), _NO_CLIP)
    selected = torch.cat([images, blank])[best[tree.clusters]]
    return selected.permute(0, 2, 3, 1).numpy()
