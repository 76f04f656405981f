"""Export of the predicted cluster of each clip, and of its nearest clips."""

from __future__ import annotations

import csv
import functools
import io
from pathlib import Path
from typing import Any, BinaryIO

import torch
import torch.nn.functional as F
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from callbacks.shared.batches import datamodule
from callbacks.shared.loggers import log_folder
from callbacks.shared.predicted import joint_clusters, predicted_clips
from callbacks.shared.rows import RowCollection, Rows, on_first_rank
from unlabelled.batch import Features
from unlabelled.clustering.kmeans import kmeans
from unlabelled.data.datasets.clip_names import ClipName, seconds
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.storage import write_atomically
from unlabelled.distributed import all_reduce_sum_
from unlabelled.metrics import sharded_top_k
from unlabelled.missing import has_feature
from unlabelled.seeding import derive_seed, global_seed

_CLUSTER, _CONFIDENCE, _NEAREST, _MISSING = "cluster", "confidence", "nearest", "missing"
_FEATURE = "feature"
_SPARE = 8  # candidates besides the nearest, as parts of the same file may overlap


class ClusterPredictions(Callback):
    """Write a table of the predicted clips, ``predictions.csv``, in ``predict``.

    Its columns are ``path``, ``start`` and ``end`` in seconds, ``split``, ``label`` where there are labels,
    ``cluster`` and ``confidence`` as predicted by head 0 from all modalities, ``nearest_1``, ... (the clips
    with the most similar features, other than parts of the same seconds), ``missing`` (the modalities that
    are missing, :mod:`unlabelled.missing`, from which the cluster is not predicted) and ``caption`` where
    there are captions. Rank 0 writes it. The features of two clips are compared by the cosine of their
    concatenation, each modality normalised.

    The clusters of a method whose heads predict none are those of k-means of these features, on rank 0, and
    the confidence is the cosine to the centroid. ``cli.py predict`` adds this callback if no other one
    writes files.

    Args:
        folder: Folder of the file; ``null``: the log folder of the run.
        num_clusters: K of k-means, for methods whose heads predict no clusters.
        num_nearest: Number of nearest clips; 0: none.

    Raises:
        ValueError: ``num_clusters`` is below 1, or ``num_nearest`` negative.
        MisconfigurationException: The data module does not name its samples.
    """

    def __init__(self, folder: str | None = None, num_clusters: int = 10, num_nearest: int = 3) -> None:
        if num_nearest < 0 or num_clusters < 1:
            raise ValueError(
                f"ClusterPredictions: num_clusters={num_clusters} must be at least 1, and "
                f"num_nearest={num_nearest} at least 0"
            )
        self.folder, self.num_clusters, self.num_nearest = folder, num_clusters, num_nearest
        self._features = RowCollection("ClusterPredictions")
        self._clusters = RowCollection("ClusterPredictions")
        self._modalities: list[str] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the names of the clips."""
        clips = predicted_clips(trainer)
        if clips is None:
            raise MisconfigurationException(
                f"ClusterPredictions needs a data module that names its samples "
                f"(unlabelled.contracts.NamesPredicted), which {type(datamodule(trainer)).__name__} does not"
            )
        self._clips = clips
        self._features = RowCollection("ClusterPredictions")
        self._clusters = RowCollection("ClusterPredictions")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the clusters and the features of a batch."""
        features = {name: each.float() for name, each in outputs["features"].items()}
        self._modalities = list(features)
        columns = {_MISSING: torch.stack([~has_feature(each) for each in features.values()], 1)}
        if "cluster_log_probs" in outputs:
            columns[_CONFIDENCE], columns[_CLUSTER] = joint_clusters(outputs["cluster_log_probs"])
        self._clusters.add(batch, columns)
        self._features.add(batch, {_FEATURE: _joint(features)})

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file and print its path."""
        rows, features = self._clusters.finish(), self._features.finish()
        if self.num_nearest:
            rows.columns[_NEAREST] = _nearest(features, self.num_nearest)
        if _CLUSTER not in rows.columns:
            rank_zero_info(f"ClusterPredictions: the clusters are {self.num_clusters} of k-means")
        all_features = None if _CLUSTER in rows.columns else on_first_rank(features)
        gathered = on_first_rank(rows)
        if gathered is not None:
            if all_features is not None:
                gathered.columns.update(kmeans_columns(all_features.columns[_FEATURE], self.num_clusters))
            self._write(trainer, gathered)
        all_reduce_sum_(torch.zeros(1, device=rows.index.device))  # no rank ends before the file is written

    def _write(self, trainer: Trainer, gathered: Rows) -> None:
        folder = Path(self.folder) if self.folder is not None else log_folder(trainer)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "predictions.csv"
        write_atomically(str(path), functools.partial(self._write_rows, gathered=gathered))
        print(f"{len(gathered)} predictions written to {path}")
        known = set(gathered.index.tolist())
        unread = [clip.path for row, clip in enumerate(self._clips) if row not in known]
        for text in list_left_out({"could not be read, and are not in the table:": unread}):
            rank_zero_warn(f"ClusterPredictions: {text}")

    def _write_rows(self, file: BinaryIO, gathered: Rows) -> None:
        text = io.TextIOWrapper(file, newline="", encoding="utf-8", errors="surrogateescape")
        writer = csv.DictWriter(text, self._header())
        writer.writeheader()
        writer.writerows(self._line(gathered, number) for number in range(len(gathered)))
        text.detach()  # it would close the file

    def _header(self) -> list[str]:
        names = ["path", "start", "end", "split"]
        names += ["label"] if any(clip.label for clip in self._clips) else []
        names += [_CLUSTER, _CONFIDENCE]
        names += [f"{_NEAREST}_{number}" for number in range(1, self.num_nearest + 1)] + [_MISSING]
        return names + (["caption"] if any(clip.caption for clip in self._clips) else [])

    def _line(self, rows: Rows, number: int) -> dict[str, Any]:
        clip, columns = self._clips[int(rows.index[number])], rows.columns
        line: dict[str, Any] = {"path": clip.path, "split": clip.split}
        line |= {"start": seconds(clip.start), "end": seconds(clip.end)}
        line |= {name: value for name, value in (("label", clip.label), ("caption", clip.caption)) if value}
        line[_CLUSTER] = int(columns[_CLUSTER][number])
        line[_CONFIDENCE] = round(float(columns[_CONFIDENCE][number]), 4)
        absent = zip(self._modalities, columns[_MISSING][number].tolist(), strict=True)
        line[_MISSING] = "+".join(name for name, is_missing in absent if is_missing)
        if _NEAREST in columns:
            names = self._nearest_names(clip, columns[_NEAREST][number].tolist())
            line |= {f"{_NEAREST}_{place}": name for place, name in enumerate(names, 1)}
        return line

    def _nearest_names(self, clip: ClipName, rows: list[int]) -> list[str]:
        others = [self._clips[row] for row in rows if row >= 0]
        return [other.name for other in others if not other.overlaps(clip)][: self.num_nearest]


def _joint(features: Features) -> Tensor:
    """Return ``(B, D)``: all modalities, each normalised, without fused features, normalised together."""
    single = [F.normalize(feature) for name, feature in features.items() if "+" not in name]
    return F.normalize(torch.cat(single, 1))


def kmeans_columns(feature: Tensor, num_clusters: int) -> dict[str, Tensor]:
    """Return cluster and confidence ``(n,)`` of normalised features ``(n, D)``."""
    num_clusters = min(num_clusters, len(feature))
    cluster = kmeans(feature, num_clusters, derive_seed(global_seed(), "predictions") % 2**31)
    sums = feature.new_zeros(num_clusters, feature.shape[1]).index_add_(0, cluster, feature)
    cosine = (feature * F.normalize(sums)[cluster]).sum(1)
    return {_CLUSTER: cluster, _CONFIDENCE: cosine}


def _nearest(rows: Rows, count: int) -> Tensor:
    """Return the rows ``(n, k)`` of the most similar clips of all ranks, also those of the clip itself."""
    feature = rows.columns[_FEATURE]
    none = torch.full_like(rows.index, -1)
    return sharded_top_k(feature, feature, none, rows.index, count + 1 + _SPARE).ids
