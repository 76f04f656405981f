"""The page of the training samples, written during training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.export.cluster_predictions import kmeans_columns
from callbacks.shared.batches import datamodule
from callbacks.shared.evaluation_times import EvaluationTimes
from callbacks.shared.loggers import log_folder
from callbacks.shared.predicted import clips_of, joint_clusters
from callbacks.shared.rows import Rows, collect_features, on_first_rank
from unlabelled.batch import Batch, Features
from unlabelled.contracts import Embeds, PredictsClusters, TrainingSet
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.distributed import all_reduce_sum_
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.missing import has_feature
from unlabelled.page import PagePlan, Samples, write_page
from unlabelled.page.samples import joint_features

_CLUSTER, _CONFIDENCE = "cluster", "confidence"


class ClusterPage(Callback):
    """Write the page of the training samples, as ``python -m unlabelled page`` does, during ``fit``.

    At the end of every few validations, and of that after the last epoch, all training samples are read once
    more, as in evaluation; training is the same as without the page. Rank 0 receives their features and
    writes the files into ``<folder>``: ``index.html``, which any browser opens and which each page replaces,
    with previews, ``clusters.csv``, ``features.npy`` and ``tree.nwk``. Previews are made once; the first page
    takes the time to decode each file. The other ranks wait. See docs/discover.md#during-training.

    The clusters are those that head 0 predicts, else those of k-means of the features.

    Args:
        every_n_epochs: Epochs between two pages, at whose end there must be a validation; ``null``: one page,
            after the last epoch.
        folder: The folder; ``null``: ``page`` in the log folder of the run.
        num_clusters: K of k-means, for methods whose heads predict no clusters.
        max_megabytes: Bound of the size of all previews.
        workers: Number of threads that make previews.

    Raises:
        ValueError: A number is below 1.
        MisconfigurationException: The method has no features of samples, or the data module does not name
            its training samples.
    """

    def __init__(
        self,
        every_n_epochs: int | None = None,
        folder: str | None = None,
        num_clusters: int = 10,
        max_megabytes: float = 100.0,
        workers: int = 1,
    ) -> None:
        self.times = EvaluationTimes(self, every_n_epochs, last_epoch=True)
        if num_clusters < 1 or workers < 1:
            raise ValueError(
                f"ClusterPage: num_clusters={num_clusters} and workers={workers} must be at least 1"
            )
        self.folder, self.num_clusters = folder, num_clusters
        self.max_megabytes, self.workers = max_megabytes, workers

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        data = getattr(trainer, "datamodule", None)
        named = hasattr(data, "clip_names") or hasattr(data, "clip_paths")
        if not isinstance(pl_module, Embeds) or not isinstance(data, TrainingSet) or not named:
            raise MisconfigurationException(
                "ClusterPage needs a method with features (embed) and data with named training samples "
                "(unlabelled.contracts.TrainingSet, clip_paths)"
            )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the page, if one is due."""
        if trainer.state.fn != TrainerFn.FITTING or not self.times.is_now(trainer):
            return
        loader = datamodule(trainer).fixed_pass_dataloader()
        rows = collect_features(trainer, pl_module, loader, lambda batch: _columns(pl_module, batch), "page")
        gathered = on_first_rank(rows)
        if gathered is not None:
            self._write(trainer, gathered)
        all_reduce_sum_(torch.zeros(1, device=rows.index.device))  # no rank ends before the page is written

    def _write(self, trainer: Trainer, rows: Rows) -> None:
        columns = rows.columns
        modalities = [name.removeprefix("feature_") for name in columns if name.startswith("feature_")]
        features = {name: columns[f"feature_{name}"].numpy() for name in modalities}
        if _CLUSTER not in columns:
            joint = torch.from_numpy(joint_features(features))
            columns.update(kmeans_columns(joint, self.num_clusters))
        clips = clips_of(datamodule(trainer), "train") or []
        named = [clips[row] for row in rows.index.tolist()]
        folder = Path(self.folder) if self.folder is not None else log_folder(trainer) / "page"
        title = f"{type(trainer.lightning_module).__name__}, {trainer.current_epoch + 1} epochs"
        plan = PagePlan(title, max_megabytes=self.max_megabytes, workers=self.workers)
        page = write_page(_samples(named, columns, features), features, folder, plan)
        rank_zero_info(f"ClusterPage: {len(named)} samples, {page}")


def _columns(module: Any, batch: Batch) -> dict[str, Tensor]:
    """Return the features of a batch by ``feature_<modality>``, and its clusters if heads predict them."""
    if not isinstance(module, PredictsClusters):
        return _single(embed_crops(module.embed, batch))
    outputs = module.evaluation_step(batch)
    confidence, cluster = joint_clusters(outputs["cluster_log_probs"])
    return {**_single(outputs["features"]), _CONFIDENCE: confidence, _CLUSTER: cluster}


def _single(features: Features) -> dict[str, Tensor]:
    return {f"feature_{name}": feature for name, feature in features.items() if "+" not in name}


def _samples(clips: list[ClipName], columns: dict[str, Tensor], features: dict[str, np.ndarray]) -> Samples:
    present = {name: has_feature(torch.from_numpy(feature)) for name, feature in features.items()}
    missing = ["+".join(name for name, has in present.items() if not has[row]) for row in range(len(clips))]
    return Samples(
        [clip.path for clip in clips],
        np.array([clip.start for clip in clips], np.float64),
        np.array([np.nan if clip.end is None else clip.end for clip in clips], np.float64),
        [clip.split for clip in clips],
        [clip.label for clip in clips],
        columns[_CLUSTER].long().numpy(),
        columns[_CONFIDENCE].double().numpy(),
        missing,
    )
