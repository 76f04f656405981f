"""Pictures of the clusters, in TensorBoard and as PNG files."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from callbacks.clustering import ClusteringPass
from callbacks.figures import boards, publish
from callbacks.sweep import as_requested, datamodule
from unlabelled.contracts import Labelled, PredictsClusters
from unlabelled.metrics.clustering import contingency
from unlabelled.pictures.clusters import cluster_class_matrix, cluster_gallery, cluster_sizes
from unlabelled.transforms.video import denormalise


class ClusterPictures(Callback):
    """Draw what the clusters hold: gallery, cluster-class matrix, sizes, and embeddings for the projector.

    From the first process's share of the held-out clips, at the end of ``test`` and every few epochs of
    ``fit``. The sizes are those of the training labels of head 0.

    Args:
        every_n_epochs: Epochs between two sets of pictures in ``fit``.
        max_clips: Clips kept for pictures and projector.
    """

    def __init__(self, every_n_epochs: int = 10, max_clips: int = 2000) -> None:
        self.every_n_epochs, self.max_clips = every_n_epochs, max_clips
        self._rows: dict[str, list[Tensor]] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are clusters and names to draw."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, PredictsClusters) or not isinstance(data, Labelled):
            raise MisconfigurationException(
                "ClusterPictures needs a method whose heads predict clusters, and named classes"
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the last clips."""
        self._rows = {}

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a frame, the prediction of head 0 and the features of each clip, up to the limit."""
        if not self._wanted(trainer):
            return
        keep = as_requested(batch) & self._sampled(trainer, batch, batch_idx)
        joint = torch.stack(list(outputs["cluster_log_probs"].values())).sum(0)[:, 0].softmax(1)  # (B, K)
        confidence, cluster = joint.max(1)
        video = batch["video"]
        rows = {
            "image": denormalise(video[:, :, video.shape[2] // 2]),
            "confidence": confidence,
            "cluster": cluster,
            "label": batch["label"],
            **{f"features_{name}": value.float() for name, value in outputs["features"].items()},
        }
        for name, value in rows.items():
            self._rows.setdefault(name, []).append(value[keep].cpu())

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw."""
        if self._wanted(trainer) and self._rows:
            self._draw(trainer, pl_module)

    on_test_epoch_end = on_validation_epoch_end

    def _wanted(self, trainer: Trainer) -> bool:
        if trainer.sanity_checking or not trainer.is_global_zero:
            return False
        last = trainer.max_epochs is not None and trainer.current_epoch + 1 == trainer.max_epochs
        fitting = trainer.state.fn == TrainerFn.FITTING  # trainer.training is off in its validations
        return not fitting or last or (trainer.current_epoch + 1) % self.every_n_epochs == 0

    def _sampled(self, trainer: Trainer, batch: Any, batch_idx: int) -> Tensor:
        """Return the mask ``(B,)`` of clips to keep: evenly spread, for splits that are sorted by class."""
        batches = trainer.num_test_batches if trainer.testing else trainer.num_val_batches
        size = len(batch["label"])
        every = max(1, math.ceil(int(batches[0]) * size / self.max_clips))
        position = torch.arange(size, device=batch["label"].device) + batch_idx * size
        return position % every == 0

    def _draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, PredictsClusters)
        names = list(datamodule(trainer).class_names)
        rows = {name: torch.cat(parts) for name, parts in self._rows.items()}
        table = contingency(rows["cluster"], rows["label"], pl_module.num_clusters, len(names))
        publish(trainer, "cluster_class_matrix", cluster_class_matrix(table.double().numpy(), names))
        images = rows["image"].permute(0, 2, 3, 1).numpy()
        gallery = cluster_gallery(
            images, rows["cluster"].numpy(), rows["confidence"].double().numpy(), rows["label"].numpy(), names
        )
        publish(trainer, "cluster_gallery", gallery)
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
        thumbnails = torch.nn.functional.interpolate(rows["image"].float() / 255, size=(32, 32))
        for board in boards(trainer):
            board.add_embedding(
                features,
                metadata=metadata,
                metadata_header=["class", "cluster"],
                label_img=thumbnails,
                global_step=trainer.global_step,
                tag="clips",
            )
