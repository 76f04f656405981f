"""Fine-tuning for action detection: the actions of given persons in key frames."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torchvision.ops import roi_align

from lightning_modules.base import BaseModule, check_num_classes
from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.clips import NOT_REPLACED
from unlabelled.encoders import Encoder
from unlabelled.metrics.action_detection import FramePrecision
from unlabelled.optim import batchnorm_parameters, without_batchnorm_decay


class ActionDetector(BaseModule):
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
        super().__init__(optimizer, **kwargs)
        self.save_hyperparameters()
        self.num_classes, self.decay_batchnorm = num_classes, decay_batchnorm
        self.stride, self.resolution = stride, resolution
        self.encoders = nn.ModuleDict({"video": encoder})
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.dim, num_classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)
        self._precision = FramePrecision(num_classes)

    def setup(self, stage: str) -> None:
        """Compare ``num_classes`` with the data.

        Raises:
            MisconfigurationException: They differ.
        """
        super().setup(stage)
        check_num_classes(self.trainer, self.num_classes)

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

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Score a batch of the validation split."""
        return self._score(batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Score a batch of the test split."""
        return self._score(batch)

    def _score(self, batch: Batch) -> dict[str, Any]:
        outputs = self.evaluation_step(batch)
        original = (batch["replaced"] == NOT_REPLACED).tolist()
        for scores, target, counts in zip(outputs["scores"], batch["target"], original, strict=True):
            if counts:
                self._precision.update(target["shares"], scores, target["truth"], target["truth_actions"])
        return outputs

    def on_validation_epoch_end(self) -> None:
        """Log the mean average precision over all ranks."""
        self._log_precision("val")

    def on_test_epoch_end(self) -> None:
        """Log the mean average precision over all ranks."""
        self._log_precision("test")

    def _log_precision(self, stage: str) -> None:
        mean = self._precision.compute(self.device).nanmean().float().to(self.device)
        self.log(f"{stage}/map", mean, prog_bar=True, sync_dist=True)  # equal on all ranks
        self._precision.reset()

    def build_optimizer(self) -> Optimizer:
        """Return the optimiser, without decay of BatchNorm unless it is wanted."""
        norms = [] if self.decay_batchnorm else batchnorm_parameters(self)
        optimizer: Optimizer = self.optimizer(without_batchnorm_decay(self.parameters(), norms))
        self._scale_learning_rate(optimizer)
        return optimizer
