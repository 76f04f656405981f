"""Export of the predicted cluster of each clip."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from callbacks.shared.batches import datamodule, not_replaced
from callbacks.shared.loggers import common_log_folder
from unlabelled.contracts import Labelled, ReadsClips
from unlabelled.missing import has_feature


class ClusterPredictions(Callback):
    """Write the cluster of each test clip, as predicted by head 0 from all modalities, in ``predict``.

    Each rank writes a CSV file with the columns ``path, label, cluster, confidence, missing``; the last names
    the modalities that are missing (:mod:`unlabelled.missing`), from which the cluster is not predicted.

    Args:
        folder: Folder of the file; ``null``: the log folder of the run.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder
        self._rows: list[tuple[str, str, int, float, str]] = []

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the paths of the clips and the names of the classes."""
        data = datamodule(trainer)
        assert isinstance(data, ReadsClips)
        assert isinstance(data, Labelled)
        self._rows, self._paths, self._names = [], data.clip_paths("test"), list(data.class_names)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the clusters of a batch."""
        log_probs = outputs["cluster_log_probs"]
        confidence, cluster = torch.stack(list(log_probs.values())).sum(0)[:, 0].softmax(1).max(1)
        missing = {name: (~has_feature(outputs["features"][name])).tolist() for name in log_probs}
        for row in not_replaced(batch).nonzero().flatten().tolist():
            path, label = self._paths[int(batch["index"][row])], self._names[int(batch["label"][row])]
            absent = "+".join(name for name, rows in missing.items() if rows[row])
            self._rows.append((path, label, int(cluster[row]), round(float(confidence[row]), 4), absent))

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file and print its path."""
        folder = Path(self.folder) if self.folder is not None else common_log_folder(trainer)
        folder.mkdir(parents=True, exist_ok=True)
        suffix = f"-rank{trainer.global_rank}" if trainer.world_size > 1 else ""
        path = folder / f"predictions{suffix}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "cluster", "confidence", "missing"])
            writer.writerows(self._rows)
        print(f"{len(self._rows)} predictions written to {path}")
