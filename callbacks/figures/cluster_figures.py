"""Pictures of the clusters, in TensorBoard and as PNG files."""

from __future__ import annotations

from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.figures.clip_figures import IMAGE, ClipFigures
from callbacks.shared.batches import datamodule
from callbacks.shared.loggers import boards, publish
from callbacks.training.clustering_pass import ClusteringPass
from unlabelled.batch import Batch
from unlabelled.contracts import Labelled, PredictsClusters
from unlabelled.metrics.clustering import contingency
from unlabelled.visualization.clusters import cluster_class_matrix, cluster_gallery, cluster_sizes


class ClusterFigures(ClipFigures):
    """Draw what the clusters hold: gallery, cluster-class matrix, sizes, and embeddings for the projector.

    From the first process's share of the held-out clips, at the end of ``test`` and every few epochs of
    ``fit``. The sizes are those of the training labels of head 0. Clips without pictures have no gallery.

    Args:
        every_n_epochs: Epochs between two sets of pictures in ``fit``, whose last epoch is drawn too.
        max_clips: Clips kept for pictures and projector.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are clusters and names to draw."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, PredictsClusters) or not isinstance(data, Labelled):
            raise MisconfigurationException(
                "ClusterFigures needs a method whose heads predict clusters, and named classes"
            )

    def look(self, pl_module: LightningModule, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Keep the prediction of head 0 and the features of each clip."""
        joint = torch.stack(list(outputs["cluster_log_probs"].values())).sum(0)[:, 0].softmax(1)  # (B, K)
        confidence, cluster = joint.max(1)
        features = {f"features_{name}": value.float() for name, value in outputs["features"].items()}
        return {"confidence": confidence, "cluster": cluster, **features}

    def draw(self, trainer: Trainer, pl_module: LightningModule, rows: dict[str, Tensor]) -> None:
        """Publish the pictures."""
        assert isinstance(pl_module, PredictsClusters)
        names = list(datamodule(trainer).class_names)
        table = contingency(rows["cluster"], rows["label"], pl_module.num_clusters, len(names))
        publish(trainer, "cluster_class_matrix", cluster_class_matrix(table.double().numpy(), names))
        if IMAGE in rows:
            publish(trainer, "cluster_gallery", _gallery(rows, names))
        self._draw_sizes(trainer)
        self._project(trainer, rows, names)

    def _draw_sizes(self, trainer: Trainer) -> None:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, ClusteringPass) and 0 in callback.report.sizes:
                sizes = callback.report.sizes[0].double()
                shares = callback.report.shares.get(0)
                wanted = None if shares is None else (shares.double() * sizes.sum()).cpu().numpy()
                publish(trainer, "cluster_sizes", cluster_sizes(sizes.numpy(), wanted))

    def _project(self, trainer: Trainer, rows: dict[str, Tensor], names: list[str]) -> None:
        """Hand the features to TensorBoard's projector, with frame, class and cluster of each point."""
        features = torch.cat(
            [
                torch.nn.functional.normalize(value)
                for name, value in rows.items()
                if name.startswith("features_")
            ],
            dim=1,
        )
        metadata = [
            [names[label], str(cluster)]
            for label, cluster in zip(rows["label"].tolist(), rows["cluster"].tolist(), strict=True)
        ]
        for board in boards(trainer):
            board.add_embedding(
                features,
                metadata=metadata,
                metadata_header=["class", "cluster"],
                label_img=_thumbnails(rows.get(IMAGE)),
                global_step=trainer.global_step,
                tag="clips",
            )


def _gallery(rows: dict[str, Tensor], names: list[str]) -> Any:
    images = rows[IMAGE].permute(0, 2, 3, 1).numpy()
    clusters, labels = rows["cluster"].numpy(), rows["label"].numpy()
    return cluster_gallery(images, clusters, rows["confidence"].double().numpy(), labels, names)


def _thumbnails(images: Tensor | None) -> Tensor | None:
    return None if images is None else torch.nn.functional.interpolate(images.float() / 255, size=(32, 32))
