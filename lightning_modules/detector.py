"""Fine-tuning for object detection and instance segmentation: Mask R-CNN."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torchmetrics.detection import MeanAveragePrecision

from lightning_modules.detection import Detection
from unlabelled.batch import Batch, Features
from unlabelled.data.datasets.clips import NOT_REPLACED
from unlabelled.encoders import ImageResNet, mask_rcnn
from unlabelled.encoders.mask_rcnn import Architecture, short_sides

_BACKEND: Literal["faster_coco_eval"] = "faster_coco_eval"
_NAMES = {"map": "ap", "map_50": "ap50", "map_75": "ap75"}
_KINDS = {"bbox": "box", "segm": "mask"}


class Detector(Detection):
    """Mask R-CNN whose convolutions are those of an encoder, trained as a whole.

    Logs the losses of training, and in evaluation COCO's average precision of boxes and of masks, the mean
    over overlaps from 0.5 to 0.95 (``val/box_ap``, ``val/mask_ap``) and at 0.5 and 0.75.

    Args:
        encoder: Maps images to features.
        num_classes: Number of classes, without the background.
        optimizer: Called with the trainable parameters.
        architecture: See :func:`~unlabelled.encoders.mask_rcnn`.
        train_short_sides: Short sides of which one is drawn for each image in training.
        eval_short_side: Short side in evaluation, one of those of training.
        max_side: Largest long side.
        mean: Mean of red, green and blue, from 0 to 1.
        std: Standard deviation of red, green and blue.
        decay_batchnorm: Whether the optimiser's weight decay includes scale and shift of BatchNorm.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: ``eval_short_side`` is none of training's, or the encoder has the stem for small images.

    Source: SCE Table 11, by the protocol of Wang et al. 2021; docs/methods/sce.md#object-detection.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/*", "val/box_ap*", "val/mask_ap*")

    def __init__(
        self,
        encoder: ImageResNet,
        num_classes: int,
        optimizer: OptimizerCallable,
        architecture: Architecture = "c4",
        train_short_sides: tuple[int, ...] = (640, 672, 704, 736, 768, 800),
        eval_short_side: int = 800,
        max_side: int = 1333,
        mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        std: tuple[float, float, float] = (0.229, 0.224, 0.225),
        decay_batchnorm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, num_classes, decay_batchnorm, **kwargs)
        self.save_hyperparameters()
        self.encoders = nn.ModuleDict({"image": encoder})
        sides = short_sides(train_short_sides, eval_short_side)
        pixels = {"image_mean": list(mean), "image_std": list(std)}
        self.detector = mask_rcnn(
            encoder, architecture, num_classes, min_size=sides, max_size=max_side, **pixels
        )
        self._precision: MeanAveragePrecision | None = None

    def setup(self, stage: str) -> None:
        """Compare ``num_classes`` with the data, and prepare the metric.

        Raises:
            MisconfigurationException: They differ, or a package is missing.
        """
        super().setup(stage)
        try:
            self._precision = MeanAveragePrecision(iou_type=("bbox", "segm"), backend=_BACKEND)
        except ModuleNotFoundError as error:
            raise MisconfigurationException(
                "Detector evaluates by the package faster-coco-eval, which is not installed; install it: "
                "pip install faster-coco-eval"
            ) from error

    def embed(self, batch: Batch) -> Features:
        """Return ``{"image": (B, D)}``; images may differ in size."""
        return {"image": torch.cat([self.encoders["image"](image[None]) for image in batch["image"]])}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the sum of the losses of proposals, boxes, classes and masks."""
        losses: dict[str, Tensor] = self.detector(batch["image"], batch["target"])
        for name, value in losses.items():
            self.log(f"train/{name}", value.detach(), batch_size=len(batch["image"]))
        loss = torch.stack(list(losses.values())).sum()
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(batch["image"]))
        return {"loss": loss}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``detections``: boxes, labels, scores and masks of each image."""
        return {"detections": self.detector(batch["image"])}

    def score(self, batch: Batch) -> dict[str, Any]:
        """Detect in a batch, and count all samples of it that are not replaced."""
        outputs = self.evaluation_step(batch)
        assert self._precision is not None
        for found, target, replaced in zip(
            outputs["detections"], batch["target"], batch["replaced"].tolist(), strict=True
        ):
            if replaced == NOT_REPLACED:
                masks = found["masks"][:, 0] > 0.5
                truth = {**target, "masks": target["masks"].bool()}
                self._precision.update([{**found, "masks": masks}], [truth])
        return outputs

    def log_precision(self, stage: str) -> None:
        """Log the average precisions of what was counted, over all ranks, and start again."""
        assert self._precision is not None
        found = self._precision.compute()
        for kind, prefix in _KINDS.items():
            for key, name in _NAMES.items():
                value = found[f"{kind}_{key}"].float().to(self.device)
                self.log(f"{stage}/{prefix}_{name}", value, prog_bar=key == "map", sync_dist=True)
        self._precision.reset()
