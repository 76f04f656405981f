"""Scores of the clusters when one modality is degraded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.shared.batches import datamodule, frozen_state, iterate_batches, not_replaced
from callbacks.shared.labels import class_names, is_idle
from callbacks.shared.loggers import publish
from callbacks.shared.rows import NO_LABEL
from unlabelled.batch import Batch
from unlabelled.contracts import PredictsClusters, ReadsClips
from unlabelled.distributed import all_reduce_sum_
from unlabelled.metrics import ClusteringMetrics
from unlabelled.missing import has_feature
from unlabelled.pipelines import AudioVisualPipeline
from unlabelled.transforms.clip_transforms import compress, darken
from unlabelled.visualization.curves import degradation_curves

_DEGRADED = {"compression": "video", "volume": "audio", "brightness": "video"}


class _Score(NamedTuple):
    """The predicted clusters, and the number ``()`` of clips of this rank without the degraded modality."""

    clusters: ClusteringMetrics
    missing: Tensor


class Degradation(Callback):
    """At the end of ``test``, score the clusters with one modality degraded and the other unchanged.

    The resolution of the video is reduced (nearest neighbour, down and up again), or its brightness, or the
    volume of the audio. Draws the NMI of head 0, of both modalities together, as curves and logs it as
    ``test/degradation/...``, and for each factor the number of clips that the degradation leaves without the
    modality as ``test/degradation/missing/...``: their clusters are those of the other modality. The paper
    does not publish its factors, and has no brightness; these are ours. On data without labels nothing is
    scored.

    Args:
        compression: Factors by which the sides of a frame are reduced; 1: unchanged.
        volume: Factors of the waveform; 1: unchanged, 0: silence.
        brightness: Factors of the pixels; 1: unchanged, 0: black.

    Raises:
        MisconfigurationException: The method does not predict clusters
            (:class:`unlabelled.contracts.PredictsClusters`), or the data module does not read clips with
            video and audio.

    Source: SeLaVi appendix A.5; docs/methods/selavi.md#degradation.
    """

    def __init__(
        self,
        compression: Sequence[int] = (1, 2, 4, 8, 16, 28, 56),
        volume: Sequence[float] = (1.0, 0.5, 0.1, 0.01, 0.0),
        brightness: Sequence[float] = (1.0, 0.5, 0.1, 0.0),
    ) -> None:
        self.compression, self.volume, self.brightness = list(compression), list(volume), list(brightness)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data module."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, PredictsClusters) or not isinstance(data, ReadsClips):
            raise MisconfigurationException(
                "Degradation needs a method whose heads predict clusters and a data module that reads clips"
            )
        if not isinstance(data.active_pipeline, AudioVisualPipeline):
            raise MisconfigurationException(
                f"Degradation needs clips with video and audio, not {type(data.active_pipeline).__name__}"
            )
        self._pipeline = data.active_pipeline

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score all degradations of both modalities in one pass over the test set."""
        if is_idle(self, trainer):
            return
        series: dict[str, dict[float, Callable[[Batch], Batch]]] = {
            "compression": {float(factor): self._compression(factor) for factor in self.compression},
            "volume": {factor: self._volume(factor) for factor in self.volume},
            "brightness": {factor: self._brightness(factor) for factor in self.brightness},
        }
        series = {name: steps for name, steps in series.items() if steps}
        scores = self._score(trainer, pl_module, series)
        curves = {
            name: {factor: score.clusters.of_head(0)["nmi"] for factor, score in steps.items()}
            for name, steps in scores.items()
        }
        metrics = {
            f"{name}_{factor:g}": nmi for name, curve in curves.items() for factor, nmi in curve.items()
        }
        for name, steps in scores.items():
            for factor, score in steps.items():
                metrics[f"missing/{name}_{factor:g}"] = float(all_reduce_sum_(score.missing))
        for logger in trainer.loggers:
            logged = {f"test/degradation/{name}": value for name, value in metrics.items()}
            logger.log_metrics(logged, step=trainer.global_step)
        publish(trainer, "degradation", degradation_curves(curves))

    def _score(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        series: dict[str, dict[float, Callable[[Batch], Batch]]],
    ) -> dict[str, dict[float, _Score]]:
        assert isinstance(pl_module, PredictsClusters)
        num_classes = len(class_names(trainer))
        scores = {
            name: {
                factor: _Score(
                    ClusteringMetrics(1, pl_module.num_clusters, num_classes).to(pl_module.device),
                    torch.zeros((), dtype=torch.int64, device=pl_module.device),
                )
                for factor in steps
            }
            for name, steps in series.items()
        }
        loader = datamodule(trainer).test_dataloader()
        with frozen_state(pl_module):
            for batch in iterate_batches(trainer, pl_module, loader, "degradation"):
                for name, steps in series.items():
                    for factor, degrade in steps.items():
                        _update(scores[name][factor], pl_module, degrade(batch), _DEGRADED[name])
        return scores

    def _compression(self, factor: int) -> Callable[[Batch], Batch]:
        side = max(1, self._pipeline.crop // factor)
        return lambda batch: {**batch, "video": compress(batch["video"], side)}

    def _volume(self, factor: float) -> Callable[[Batch], Batch]:
        audio = self._pipeline.audio
        return lambda batch: {**batch, "audio": audio.change_volume(batch["audio"], factor)}

    def _brightness(self, factor: float) -> Callable[[Batch], Batch]:
        pixels = self._pipeline.mean, self._pipeline.std
        return lambda batch: {**batch, "video": darken(batch["video"], factor, *pixels)}


def _update(score: _Score, pl_module: Any, batch: Batch, degraded: str) -> None:
    outputs = pl_module.evaluation_step(batch)
    log_probs: dict[str, Tensor] = outputs["cluster_log_probs"]
    keep = not_replaced(batch) & (batch["label"] != NO_LABEL)
    prediction = torch.stack(list(log_probs.values())).sum(0)[:, :1].argmax(2)  # head 0
    score.clusters.update(prediction[keep], batch["label"][keep])
    score.missing.add_((~has_feature(outputs["features"][degraded]))[keep].sum())
