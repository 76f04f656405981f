"""Evaluation of the localisation of several sound sources by class."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.shared.batches import datamodule, not_replaced
from callbacks.shared.finite_maps import FiniteMaps
from callbacks.shared.labels import class_names
from callbacks.shared.tables import print_tables
from unlabelled.batch import Batch
from unlabelled.contracts import HasClassBoxes, Localises
from unlabelled.distributed import all_reduce_sum_, gather_rows
from unlabelled.metrics.localisation import normalised_maps, success_area, success_rates
from unlabelled.metrics.multi_source import class_maps, class_overlap, match_clusters, silent_area

_AT_03, _AT_05 = 6, 10  # positions of the success rates at a cIoU of 0.3 and 0.5


class _Clip(NamedTuple):
    """Cluster maps ``(K, h, w)``, their shares ``(K,)`` of the localisation map, and boxes by class."""

    maps: Tensor
    shares: Tensor
    boxes: dict[int, Tensor]


class MultiSourceLocalisation(Callback):
    """Compare the maps of the clusters of a class with the boxes of its sounding objects.

    Clusters are matched with classes by the labels of the evaluated clips: a cluster belongs to the class
    whose clips' localisation maps it makes up. Logs ``val/multi_ciou_0.3``, ``val/multi_ciou_0.5``,
    ``val/multi_ciou_auc`` and ``val/multi_nsa``, the share of the maps of silent classes that is at most
    ``silent_level``. ``test`` prints a table. On data without boxes by class nothing is evaluated.

    Args:
        level: A pixel is claimed above this share of the maximum of its class's map.
        silent_level: A pixel of a silent class's map is claimed above this value.
        size: Height and width at which maps and boxes are compared.

    Raises:
        ValueError: An argument is out of its range, the batches have no ``frame_second``, or no clip could be
            read.
        MisconfigurationException: The method does not localise (:class:`unlabelled.contracts.Localises`).

    Source: DTaoo/Discriminative-Sounding-Objects-Localization, music-exp/eval_duet.py;
        docs/methods/dmc.md#several-sound-sources. The matching is ours.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/multi_*",)

    def __init__(self, level: float = 0.5, silent_level: float = 0.2, size: int = 224) -> None:
        if not (0 <= level < 1 and 0 <= silent_level < 1 and size >= 1):
            raise ValueError(
                f"MultiSourceLocalisation: level={level}, silent_level={silent_level}, size={size}; expected "
                "levels from 0 to below 1, and a size of at least 1"
            )
        self.level, self.silent_level, self.size = level, silent_level, size
        self.idle = False
        self._clips: list[_Clip] = []
        self._finite = FiniteMaps()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method and the data."""
        if not isinstance(pl_module, Localises):
            raise MisconfigurationException(
                "MultiSourceLocalisation needs a method that localises (unlabelled.contracts.Localises), "
                f"which {type(pl_module).__name__} is not"
            )
        self.idle = not isinstance(getattr(trainer, "datamodule", None), HasClassBoxes)
        if self.idle:
            rank_zero_info("MultiSourceLocalisation: idle, as the data have no boxes by class")

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the clips of an earlier evaluation."""
        self._clips, self._finite = [], FiniteMaps()

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the maps and boxes of a batch."""
        if self.idle:
            return
        if "frame_second" not in batch:
            raise ValueError(
                "MultiSourceLocalisation: the batches do not contain the time of their frames "
                "(frame_second); use unlabelled.pipelines.FrameAndAudio as the pipeline"
            )
        assert isinstance(pl_module, Localises)
        with trainer.precision_plugin.forward_context():
            localised = pl_module.localise(batch)
        maps = localised.cluster_maps.float()
        weights = normalised_maps(self._finite.add(localised.maps.float()))
        shares = torch.einsum("bhw,bkhw->bk", weights, maps)
        shares = shares / shares.sum(1, keepdim=True).clamp_min(torch.finfo(shares.dtype).tiny)
        data, split = datamodule(trainer), "test" if trainer.testing else "val"
        for row in not_replaced(batch).nonzero().flatten().tolist():
            second = float(batch["frame_second"][row])
            boxes = data.class_boxes(split, int(batch["index"][row]), second)
            self._clips.append(_Clip(maps[row], shares[row], boxes))

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores."""
        if not self.idle and not trainer.sanity_checking:
            self._score(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and print the scores."""
        if not self.idle:
            scores = self._score(trainer, pl_module, "test")
            title = f"several sound sources, test (level {self.level:g})"
            print_tables(trainer, {title: {"class maps": scores}}, "test/multi_source")

    def _score(self, trainer: Trainer, module: LightningModule, stage: str) -> dict[str, float]:
        self._finite.check(module.device)
        classes = len(class_names(trainer))
        clips, self._clips = self._clips, []
        found = self._compare(clips, self._matching(clips, classes, module.device), classes)
        found = gather_rows(found.to(module.device))
        if not len(found):
            raise ValueError("MultiSourceLocalisation: there is no clip to evaluate")
        rates = success_rates(found[:, 0])
        scores = {
            "ciou_0.3": float(rates[_AT_03]),
            "ciou_0.5": float(rates[_AT_05]),
            "ciou_auc": success_area(found[:, 0]),
            "nsa": float(found[:, 1].nanmean()),
        }
        for name, value in scores.items():
            module.log(f"{stage}/multi_{name}", value, sync_dist=True)
        return scores

    def _matching(self, clips: list[_Clip], classes: int, device: torch.device) -> Tensor:
        """Return the class of each cluster, the same on all ranks."""
        largest = torch.tensor([max((len(each.shares) for each in clips), default=0)], device=device)
        clusters = int(gather_rows(largest).max())
        shares = torch.zeros(classes, clusters, dtype=torch.float64, device=device)
        for clip in clips:
            for label in clip.boxes:
                shares[label] += clip.shares.double() / len(clip.boxes)
        return match_clusters(all_reduce_sum_(shares))

    def _compare(self, clips: list[_Clip], class_of_cluster: Tensor, classes: int) -> Tensor:
        """Return cIoU and NSA of each clip, ``(n, 2)`` float64."""
        scores = [self._overlap(clip, class_of_cluster, classes) for clip in clips]
        return torch.tensor(scores, dtype=torch.float64).view(-1, 2)

    def _overlap(self, clip: _Clip, class_of_cluster: Tensor, classes: int) -> tuple[float, float]:
        maps = class_maps(clip.maps[None], class_of_cluster.to(clip.maps.device), classes)
        scaled = F.interpolate(maps, (self.size, self.size), mode="bilinear", align_corners=False)[0]
        overlap = class_overlap(scaled, clip.boxes, self.level)
        return overlap, silent_area(scaled, list(clip.boxes), self.silent_level)
