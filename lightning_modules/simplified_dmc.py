"""Simplified DMC: Euclidean clusters of maps, and a contrastive loss (DTaoo/Simplified_DMC)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.audio_visual import AUDIO, AudioVisual
from lightning_modules.base import log_means
from unlabelled.batch import Batch
from unlabelled.clustering.euclidean_maps import (
    MapMeans,
    distances,
    euclidean_clusters,
    nearest_distances,
    pair_contrast,
)
from unlabelled.distributed import gather_with_gradient
from unlabelled.encoders import Encoder
from unlabelled.losses.mismatch import draw_mismatches, mismatched
from unlabelled.losses.sound_maps import Localised, on_grid

_VISUAL = "visual"


class SimplifiedDMC(AudioVisual):
    """Draw each audio cluster to the nearest visual cluster of its own clip, and from those of another clip.

    The positions of each map are clustered by Euclidean distance, without the subspaces of
    :class:`~lightning_modules.DMC`. "DMC" in the tables of MUSIC and AudioSet of later papers of the group is
    this model.

    Args:
        visual_encoder: Encoder of images or of videos.
        audio_encoder: Encoder of spectrograms.
        optimizer: Called with the trainable parameters.
        visual_clusters: Number of clusters of an image: object classes in a clip, and the background.
        audio_clusters: Number of clusters of an audio track: sounding classes in a clip.
        dim: Size of the space of both, to which one linear layer per modality maps the descriptors.
        iterations: Passes of the clustering.
        sharpness: See :func:`~unlabelled.clustering.euclidean_maps.euclidean_clusters`.
        margin: Distance that a mismatched pair must have.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: A number is out of its range.

    Source: DTaoo/Simplified_DMC, model/dmc_model.py and location_dmc.py; docs/methods/dmc.md#simplified-dmc.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/true_distance", "train/wrong_distance", "train/pair_accuracy")

    def __init__(
        self,
        visual_encoder: Encoder,
        audio_encoder: Encoder,
        optimizer: OptimizerCallable,
        visual_clusters: int = 2,
        audio_clusters: int = 1,
        dim: int = 512,
        iterations: int = 4,
        sharpness: float = 30.0,
        margin: float = 5.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(visual_encoder, audio_encoder, optimizer, **kwargs)
        self.save_hyperparameters()
        if min(visual_clusters, audio_clusters, dim, iterations) < 1 or min(sharpness, margin) <= 0:
            raise ValueError(
                f"SimplifiedDMC: visual_clusters={visual_clusters}, audio_clusters={audio_clusters}, "
                f"dim={dim}, iterations={iterations}, sharpness={sharpness}, margin={margin}; expected "
                "numbers of at least 1, and a positive sharpness and margin"
            )
        self.num_clusters = {_VISUAL: visual_clusters, AUDIO: audio_clusters}
        self.iterations, self.sharpness, self.margin = iterations, sharpness, margin
        dims = {_VISUAL: visual_encoder.dim, AUDIO: audio_encoder.dim}
        self.projections = nn.ModuleDict({name: nn.Linear(each, dim) for name, each in dims.items()})

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean loss of the matched pairs, and of each audio track with another image."""
        codes = self.pair_codes(batch, self.feature_maps(batch))
        visual, audio = codes[_VISUAL], codes[AUDIO]
        _, negative = mismatched(batch["index"], batch.get("silent"))
        partner = draw_mismatches(negative, self.global_step)
        found = partner >= 0
        true = nearest_distances(visual, audio)
        wrong = nearest_distances(gather_with_gradient(visual)[partner.clamp_min(0)], audio)
        matched = torch.ones_like(found)
        losses = (
            pair_contrast(true, matched, self.margin),
            pair_contrast(wrong, ~matched, self.margin) * found,
        )
        loss = torch.stack(losses).mean()
        report = {
            "loss": loss,
            "true_distance": true.mean(),
            "wrong_distance": (wrong * found).sum() / found.sum().clamp_min(1),
            "pair_accuracy": ((true < wrong) & found).sum() / found.sum().clamp_min(1),
        }
        log_means(self, report, len(visual))
        return {"loss": loss}

    def pair_codes(self, batch: Batch, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the centres ``(B, K, dim)`` of both modalities."""
        return {name: part.centres for name, part in self._cluster(maps).items()}

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return the negative distances ``(n,)`` of centres ``(n, K, dim)``."""
        return -nearest_distances(visual, audio)

    def localise(self, batch: Batch) -> Localised:
        """Return the assignments to the visual clusters that are nearest to an audio cluster."""
        maps = self.feature_maps(batch)
        clusters = self._cluster(maps)
        visual, audio = clusters[_VISUAL], clusters[AUDIO]
        nearest = distances(audio.centres, visual.centres).argmin(2)  # (B, K_a)
        chosen = F.one_hot(nearest, visual.centres.shape[1]).amax(1).to(visual.assignments.dtype)
        grid = maps[self.visual].shape[2:]
        values = torch.einsum("bk,bkp->bp", chosen, visual.assignments)
        return Localised(on_grid(values, grid), on_grid(visual.assignments, grid))

    def _cluster(self, maps: dict[str, Tensor]) -> dict[str, MapMeans]:
        parts = {_VISUAL: maps[self.visual], AUDIO: maps[AUDIO]}
        return {
            name: euclidean_clusters(
                self.projections[name](part.flatten(2).transpose(1, 2)),
                self.num_clusters[name],
                self.iterations,
                self.sharpness,
            )
            for name, part in parts.items()
        }
