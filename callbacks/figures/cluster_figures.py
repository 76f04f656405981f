"""Figures of the clusters of held-out clips."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.figures.clip_figures import IMAGE, ClipFigures
from callbacks.shared.labels import class_names
from callbacks.shared.loggers import boards, publish
from callbacks.shared.predicted import joint_clusters
from callbacks.shared.rows import NO_LABEL
from unlabelled.batch import Batch
from unlabelled.contracts import Labelled, PredictsClusters
from unlabelled.metrics.clustering import contingency
from unlabelled.visualization.clusters import cluster_class_matrix, cluster_gallery, cluster_sizes

_FEATURES = "features_"


@runtime_checkable
class HasClusterSizes(Protocol):
    """A callback that clusters the training set."""

    def cluster_sizes(self, head: int) -> tuple[Tensor, Tensor | None] | None:
        """Return the sizes ``(K,)`` and the target shares ``(K,)`` of the clusters, where there are any."""
        ...


class ClusterFigures(ClipFigures):
    """Draw the clusters of held-out clips: gallery, cluster-class matrix, sizes, and TensorBoard's projector.

    The clips are held-out clips of rank 0, at the end of ``test`` and every few epochs of ``fit``; clips of
    audio alone have no gallery, data without labels no matrix. The sizes are those of the pseudo-labels of
    head 0 of the training set.

    Args:
        every_n_epochs: Epochs between two sets of figures in ``fit``, whose last epoch is drawn too.
        max_clips: Largest number of clips, which are evenly spread over the data set.

    Raises:
        ValueError: A number is below 1.
        MisconfigurationException: The method does not predict clusters
            (:class:`unlabelled.contracts.PredictsClusters`), or the data module has no classes.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, PredictsClusters) or not isinstance(data, Labelled):
            raise MisconfigurationException(
                "ClusterFigures needs a method whose heads predict clusters, and data with class_names"
            )

    def select(self, pl_module: LightningModule, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Return the prediction of head 0 and the features of each clip."""
        confidence, cluster = joint_clusters(outputs["cluster_log_probs"])
        features = {f"{_FEATURES}{name}": value.float() for name, value in outputs["features"].items()}
        return {"confidence": confidence, "cluster": cluster, **features}

    def draw(self, trainer: Trainer, pl_module: LightningModule, clips: dict[str, Tensor]) -> None:
        """Publish the figures."""
        assert isinstance(pl_module, PredictsClusters)
        names, known = class_names(trainer), clips["label"] != NO_LABEL
        if names and known.any():
            clusters, labels = clips["cluster"][known], clips["label"][known]
            table = contingency(clusters, labels, pl_module.num_clusters, len(names))
            publish(trainer, "cluster_class_matrix", cluster_class_matrix(table.double().numpy(), names))
        if IMAGE in clips:
            publish(trainer, "cluster_gallery", _gallery(clips, names))
        self._draw_sizes(trainer)
        self._add_to_projector(trainer, clips, names)

    def _draw_sizes(self, trainer: Trainer) -> None:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            result = callback.cluster_sizes(0) if isinstance(callback, HasClusterSizes) else None
            if result is not None:
                sizes, shares = result[0].double(), result[1]
                targets = None if shares is None else (shares.double() * sizes.sum()).cpu().numpy()
                publish(trainer, "cluster_sizes", cluster_sizes(sizes.numpy(), targets))

    def _add_to_projector(self, trainer: Trainer, clips: dict[str, Tensor], names: list[str]) -> None:
        """Add the features to TensorBoard's projector, with image, cluster and class of each point."""
        parts = [value for name, value in clips.items() if name.startswith(_FEATURES)]
        features = torch.cat([torch.nn.functional.normalize(value) for value in parts], dim=1)
        columns = {"cluster": [str(cluster) for cluster in clips["cluster"].tolist()]}
        if names:
            classes = [names[label] if label >= 0 else "" for label in clips["label"].tolist()]
            columns = {"class": classes, **columns}
        one = len(columns) == 1  # TensorBoard takes a header for several columns only
        for board in boards(trainer):
            board.add_embedding(
                features,
                metadata=columns["cluster"]
                if one
                else [list(row) for row in zip(*columns.values(), strict=True)],
                metadata_header=None if one else list(columns),
                label_img=_thumbnails(clips.get(IMAGE)),
                global_step=trainer.global_step,
                tag="clips",
            )


def _gallery(clips: dict[str, Tensor], names: list[str]) -> Any:
    images = clips[IMAGE].permute(0, 2, 3, 1).numpy()
    clusters, labels = clips["cluster"].numpy(), clips["label"].numpy()
    return cluster_gallery(images, clusters, clips["confidence"].double().numpy(), labels, names)


def _thumbnails(images: Tensor | None) -> Tensor | None:
    return None if images is None else torch.nn.functional.interpolate(images.float() / 255, size=(32, 32))
