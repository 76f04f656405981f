"""DMC: deep multimodal clustering (Hu, Nie, Li 2019, arXiv:1807.03094)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.audio_visual import AUDIO, AudioVisual
from lightning_modules.base import log_means
from unlabelled.batch import Batch
from unlabelled.clustering.map_clustering import MapClustering, MapClusters, unit
from unlabelled.distributed import all_reduce_sum_, world_size
from unlabelled.encoders import Encoder
from unlabelled.losses.correspondence import paired_cosines
from unlabelled.losses.pair_ranking import Comparison, CorrespondenceLoss, MaxMargin, compare_centres
from unlabelled.losses.sound_maps import Localised, SoundMap, on_grid, sound_map

_VISUAL = "visual"
_MOMENTUM = 0.99


class DMC(AudioVisual):
    """Deep multimodal clustering: the cluster centres of an image and of its audio must agree.

    The same matrices project both modalities into the subspaces of the clusters, each modality is clustered
    separately, and visual centre k is compared with audio centre k only. For the paper's variant with
    supervision from vision (marked by a double dagger) give a trained visual encoder with frozen weights.

    Args:
        visual_encoder: Encoder of images or of videos.
        audio_encoder: Encoder of spectrograms.
        optimizer: Called with the trainable parameters.
        clustering: Called with the number of channels; ``null``: K = 10, D = 16, three passes.
        loss: ``null``: the max-margin loss over all mismatched pairs of the batch.
        adapter_dim: Number of channels to which one linear layer per modality maps the encoders' maps;
            ``null``: there is no such layer, and both encoders must have the same number of channels.
        sound_map: Rule of :meth:`localise`; see :func:`~unlabelled.losses.sound_maps.cluster_weights`.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: The encoders have different numbers of channels, and ``adapter_dim`` is not given.

    Source: Hu et al. 2019 (arXiv:1807.03094) and its supplement; DTaoo/DMC, models/dmc_model_av.py;
        docs/methods/dmc.md#what-it-learns-from.
    """

    logs: ClassVar[tuple[str, ...]] = (
        "train/active_hinges",
        "train/true_cosine",
        "train/wrong_cosine",
        "train/gap",
        "train/recall@1",
        "train/usage_entropy/*",
        "train/sharpness/*",
        "train/objective_change/*",
    )

    num_typical: Tensor

    def __init__(
        self,
        visual_encoder: Encoder,
        audio_encoder: Encoder,
        optimizer: OptimizerCallable,
        clustering: Callable[[int], MapClustering] | None = None,
        loss: CorrespondenceLoss | None = None,
        adapter_dim: int | None = None,
        sound_map: SoundMap = "best_cluster",
        **kwargs: Any,
    ) -> None:
        super().__init__(visual_encoder, audio_encoder, optimizer, **kwargs)
        self.save_hyperparameters()
        dims = {_VISUAL: visual_encoder.dim, AUDIO: audio_encoder.dim}
        self.adapters = nn.ModuleDict(
            {
                name: nn.Identity() if adapter_dim is None else nn.Linear(dim, adapter_dim)
                for name, dim in dims.items()
            }
        )
        self.clustering = (clustering or MapClustering)(adapter_dim or _common_dim(dims))
        self.loss: CorrespondenceLoss = loss if loss is not None else MaxMargin()
        self.sound_map: SoundMap = sound_map
        shape = (self.clustering.num_clusters, self.clustering.dim)
        self.register_buffer("typical_sound", torch.zeros(shape))
        self.register_buffer("num_typical", torch.zeros((), dtype=torch.int64))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the loss over the pairs of the clips of all ranks."""
        clusters = self._cluster(batch, self.feature_maps(batch))
        visual, audio = clusters[_VISUAL], clusters[AUDIO]
        comparison = compare_centres(visual.centres, audio.centres, batch["index"], batch.get("silent"))
        ranked = self.loss(comparison, self.global_step)
        self._update_typical_audio(audio.centres.detach())
        report = {
            "loss": ranked.loss,
            **ranked.report,
            **_pair_report(comparison),
            **_cluster_report(clusters),
        }
        log_means(self, report, len(visual.centres))
        return {"loss": ranked.loss}

    def pair_codes(self, batch: Batch, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the centres ``(B, K, D)`` of both modalities."""
        return {name: part.centres for name, part in self._cluster(batch, maps).items()}

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return the mean cosines over the clusters, ``(n,)``, of centres ``(n, K, D)``."""
        return paired_cosines(audio, visual).mean(1)

    def localise(self, batch: Batch) -> Localised:
        """Return localisation maps of the sound sources of each clip; of a video the mean over its frames."""
        maps = self.feature_maps(batch)
        clusters = self._cluster(batch, maps)
        visual, audio = clusters[_VISUAL], clusters[AUDIO]
        projected = self.clustering.project(self._descriptors(_VISUAL, maps[self.visual]))
        maps_by_position = sound_map(self.sound_map, visual, audio, projected, self.typical_audio)
        grid = maps[self.visual].shape[2:]
        return Localised(on_grid(maps_by_position, grid), on_grid(visual.assignments, grid))

    def _cluster(self, batch: Batch, maps: dict[str, Tensor]) -> dict[str, MapClusters]:
        visual = self._descriptors(_VISUAL, maps[self.visual])
        audio = self._descriptors(AUDIO, maps[AUDIO])
        mask = _position_mask(batch.get("audio_mask"), maps[AUDIO])
        return {_VISUAL: self.clustering(visual), AUDIO: self.clustering(audio, mask)}

    def _descriptors(self, name: str, maps: Tensor) -> Tensor:
        descriptors: Tensor = self.adapters[name](maps.flatten(2).transpose(1, 2))
        return descriptors

    @property
    def typical_audio(self) -> Tensor:
        """Running mean ``(K, D)`` of the unit audio centres of all clips."""
        return self.get_buffer("typical_sound")  # the name in checkpoints

    @torch.no_grad()
    def _update_typical_audio(self, centres: Tensor) -> None:
        """Update the running mean by the centres ``(B, K, D)`` of the clips of all ranks."""
        mean = all_reduce_sum_(unit(centres).mean(0)) / world_size()
        mean = torch.where(mean.isfinite(), mean, self.typical_audio)  # skip an overflow
        self.num_typical += 1
        self.typical_audio.lerp_(mean, (1 / self.num_typical).clamp(min=1 - _MOMENTUM))


def _common_dim(dims: dict[str, int]) -> int:
    if len(set(dims.values())) > 1:
        raise ValueError(
            f"DMC: the encoders' maps have {dims[_VISUAL]} (visual) and {dims[AUDIO]} (audio) channels, but "
            "the projection is shared; set adapter_dim, or choose encoders with equally many"
        )
    return dims[AUDIO]


def _position_mask(mask: Tensor | None, maps: Tensor) -> Tensor | None:
    """Return ``(B, F' T')`` bool: a column of the map is valid if any of its frames is in ``mask (B, T)``."""
    if mask is None:
        return None
    columns = F.adaptive_max_pool1d(mask.float().unsqueeze(1), maps.shape[3])  # (B, 1, T')
    return columns.expand(-1, maps.shape[2], -1).flatten(1).bool()


@torch.no_grad()
def _pair_report(comparison: Comparison) -> dict[str, Tensor]:
    """Return mean cosines of true and of mismatched pairs, their gap, and the recall within the batch."""
    wrong = comparison.image_mismatches
    others = (comparison.images * wrong).sum() / wrong.sum().clamp_min(1)
    best = comparison.images.masked_fill(~wrong, -torch.inf).amax(1)
    true = comparison.own.mean()
    return {
        "true_cosine": true,
        "wrong_cosine": others,
        "gap": true - others,
        "recall@1": (comparison.own > best).float().mean(),
    }


@torch.no_grad()
def _cluster_report(clusters: dict[str, MapClusters]) -> dict[str, Tensor]:
    """Return usage of clusters, sharpness of assignments, and change of the objective over the passes.

    Args:
        clusters: By modality; usage is an entropy in nats, at most ln K, sharpness from 1/K to 1.
    """
    report = {}
    for name, part in clusters.items():
        valid = part.assignments.sum(1).mean()  # below 1 if positions are masked
        usage = part.assignments.mean((0, 2)) / valid
        report[f"usage_entropy/{name}"] = torch.special.entr(usage).sum()
        report[f"sharpness/{name}"] = part.assignments.amax(1).mean() / valid
        report[f"objective_change/{name}"] = (part.objective[-1] - part.objective[0]).mean()
    return report
