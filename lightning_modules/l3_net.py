"""L3-Net: look, listen and learn (Arandjelovic and Zisserman 2017, arXiv:1705.08168)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.audio_visual import AUDIO, AudioVisual
from lightning_modules.base import log_means
from unlabelled.batch import Batch
from unlabelled.distributed import all_reduce_sum_, gather_with_gradient, world_size
from unlabelled.encoders import Encoder
from unlabelled.losses.mismatch import NONE, draw_mismatches, mismatched

_VISUAL = "visual"
_MISMATCHED, _TRUE = 0, 1


class L3Net(AudioVisual):
    """L3-Net: classify from pooled features whether an image and an audio track are of one clip.

    Each step classifies the true pair of every clip and a mismatched pair: its image with the audio of
    another video of the batch.

    Args:
        visual_encoder: Encoder of images or of videos.
        audio_encoder: Encoder of spectrograms.
        optimizer: Called with the trainable parameters.
        hidden_dim: Width of the hidden layer of the classifier.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: Arandjelovic and Zisserman 2017 (arXiv:1705.08168); marl/l3embedding, l3embedding/model.py;
        docs/methods/dmc.md#l3-net.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/accuracy",)

    pair_threshold: float | None = 0.0

    def __init__(
        self,
        visual_encoder: Encoder,
        audio_encoder: Encoder,
        optimizer: OptimizerCallable,
        hidden_dim: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(visual_encoder, audio_encoder, optimizer, **kwargs)
        self.save_hyperparameters()
        dim = visual_encoder.dim + audio_encoder.dim
        self.fusion = nn.Sequential(
            nn.Linear(dim, hidden_dim), nn.ReLU(inplace=True), nn.Linear(hidden_dim, 2)
        )
        for layer in (self.fusion[0], self.fusion[2]):
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="relu")
            nn.init.zeros_(layer.get_parameter("bias"))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the cross-entropy over true and mismatched pairs, at most one mismatched pair per clip."""
        features = self.embed(batch)
        visual, audio = features[self.visual], features[AUDIO]
        image_mismatches, _ = mismatched(batch["index"], batch.get("silent"))
        partner = draw_mismatches(image_mismatches, self.global_step)
        others = gather_with_gradient(audio)[partner.clamp(min=0)]
        logits = self.fusion(torch.cat([_pair(visual, audio), _pair(visual, others)]))
        labels = (torch.arange(len(logits), device=logits.device) < len(visual)).long()
        counted = torch.cat([torch.ones_like(partner, dtype=torch.bool), partner != NONE])
        loss = _mean_over_ranks(F.cross_entropy(logits.float(), labels, reduction="none"), counted)
        accuracy = _mean_over_ranks((logits.detach().argmax(1) == labels).float(), counted)
        log_means(self, {"loss": loss, "accuracy": accuracy}, len(visual))
        return {"loss": loss}

    def pair_codes(self, batch: Batch, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the pooled features ``(B, D)`` of both modalities."""
        names = {_VISUAL: self.visual, AUDIO: AUDIO}
        return {code: self._encoder(name).pool(maps[name]) for code, name in names.items()}

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return the log-odds ``(n,)`` that a pair is of one clip."""
        logits: Tensor = self.fusion(_pair(visual, audio)).float()
        return logits[:, _TRUE] - logits[:, _MISMATCHED]


def _pair(visual: Tensor, audio: Tensor) -> Tensor:
    return torch.cat([visual, audio], 1)


def _mean_over_ranks(values: Tensor, counted: Tensor) -> Tensor:
    """Return a scalar whose mean over ranks is the mean of the counted ``values (n,)`` of all ranks."""
    count = all_reduce_sum_(counted.sum())
    return values.where(counted, 0).sum() * world_size() / count
