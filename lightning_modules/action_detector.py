"""Fine-tuning for action detection: the actions of given persons in key frames."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torchvision.ops import roi_align

from lightning_modules.detection import Detection
from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.clips import NOT_REPLACED
from unlabelled.encoders import Encoder
from unlabelled.metrics.action_detection import FramePrecision


class ActionDetector(Detection):
    """A linear layer on the maps of a video encoder, pooled over time and in the box of each person.

    Maps are averaged over time, the box is sampled by RoIAlign, and its maximum over the positions is the
    feature of the person, who may have several actions: sigmoid and binary cross-entropy. Logs the mean over
    actions of the average precision at an overlap of 0.5 (``val/map``, ``test/map``).

    Args:
        encoder: Maps videos to features.
        num_classes: Number of actions.
        optimizer: Called with the trainable parameters.
        stride: Pixels of the video for each position of the maps, in height and width.
        resolution: Positions of RoIAlign in height and width.
        dropout: Probability, before the linear layer.
        decay_batchnorm: Whether the optimiser's weight decay includes scale and shift of BatchNorm.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: SCE Table 20, by the protocol of Feichtenhofer et al. 2021; docs/methods/sce.md#action-detection.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/loss", "val/map")

    def __init__(
        self,
        encoder: Encoder,
        num_classes: int,
        optimizer: OptimizerCallable,
        stride: int = 16,
        resolution: int = 7,
        dropout: float = 0.5,
        decay_batchnorm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, num_classes, decay_batchnorm, **kwargs)
        self.save_hyperparameters()
        self.stride, self.resolution = stride, resolution
        self.encoders = nn.ModuleDict({"video": encoder})
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.dim, num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)
        self._precision = FramePrecision(num_classes)

    def embed(self, batch: Batch) -> Features:
        """Return ``{"video": (B, D)}`` of whole frames; videos may differ in size."""
        return {"video": torch.cat([self.encoders["video"](video[None]) for video in batch["video"]])}

    def _logits(self, videos: Tensor, boxes: list[Tensor]) -> Tensor:
        """Return ``(n, C)`` for all boxes, in pixels, of videos ``(B, 3, T, H, W)``."""
        maps = cast(Encoder, self.encoders["video"]).feature_maps(videos).float().mean(2)
        self._check_stride(videos, maps)
        regions = roi_align(maps, boxes, self.resolution, 1 / self.stride, aligned=True)
        logits: Tensor = self.classifier(self.dropout(regions.amax((2, 3))))
        return logits.float()

    def _check_stride(self, videos: Tensor, maps: Tensor) -> None:
        expected = [-(-side // self.stride) for side in videos.shape[-2:]]
        if list(maps.shape[-2:]) != expected:
            raise ValueError(
                f"ActionDetector: stride={self.stride} and videos of {list(videos.shape[-2:])} pixels need "
                f"maps of {expected} positions, but those of {type(self.encoders['video']).__name__} have "
                f"{list(maps.shape[-2:])}; set --model.init_args.stride"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the binary cross-entropy, the mean over all boxes and actions."""
        targets = batch["target"]
        logits = self._logits(torch.stack(batch["video"]), [target["boxes"] for target in targets])
        actions = torch.cat([target["actions"] for target in targets]).float()
        loss = F.binary_cross_entropy_with_logits(logits, actions)
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(targets))
        return {"loss": loss}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``scores``: for each video ``(n, C)``, the probabilities of the actions of its persons."""
        scores = [
            self._logits(video[None], [target["boxes"]]).sigmoid()
            for video, target in zip(batch["video"], batch["target"], strict=True)
        ]
        return {"scores": scores}

    def score(self, batch: Batch) -> dict[str, Any]:
        """Detect in a batch, and count all samples of it that are not replaced."""
        outputs = self.evaluation_step(batch)
        original = (batch["replaced"] == NOT_REPLACED).tolist()
        for scores, target, counts in zip(outputs["scores"], batch["target"], original, strict=True):
            if counts:
                self._precision.update(target["shares"], scores, target["truth"], target["truth_actions"])
        return outputs

    def log_precision(self, stage: str) -> None:
        """Log the average precisions of what was counted, over all ranks, and start again."""
        mean = self._precision.compute(self.device).nanmean().float().to(self.device)
        self.log(f"{stage}/map", mean, prog_bar=True, sync_dist=True)  # equal on all ranks
        self._precision.reset()
