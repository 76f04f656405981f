"""Evaluation of sound localisation."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info

from callbacks.figures.localisation_figures import LocalisationFigures
from callbacks.shared.batches import datamodule, frozen_state, iterate_batches
from callbacks.shared.localised_clips import LocalisedClips
from callbacks.shared.reports import print_tables
from callbacks.shared.tables import Table
from unlabelled.batch import Batch
from unlabelled.contracts import HasBoxes, Localises
from unlabelled.metrics.localisation import Threshold

CENTRED, UNTRAINED, TRAINED = "centred box", "untrained maps", "maps"


class Localisation(Callback):
    """Compare localisation maps with the boxes of the annotators.

    A map is scaled bilinearly to ``size`` x ``size`` and stretched to 0 to 1; pixels above the threshold are
    claimed. Logged: ``val/ciou``, the share of clips whose cIoU is at least 0.5, ``val/ciou_mean`` and
    ``val/ciou_auc``. There are two baselines: ``val/ciou_centred...``, one box in the middle of all frames
    with the mean width and height of the evaluated boxes, and the untrained network. ``test`` prints a table
    and draws figures (:class:`LocalisationFigures`).

    Args:
        threshold: ``median``, ``fixed`` or ``rel_max``, as in
            :func:`~unlabelled.metrics.localisation.detected`. With ``median`` at level 0.5 each map claims
            half of the frame and cannot reach a cIoU of 0.5 on boxes of less than a quarter of it.
        level: Of the threshold.
        size: Height and width at which maps and boxes are compared.
        pictures: Clips to draw in ``test``.
        before_training: Also score the untrained network on the validation set, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: An argument is out of its range, or the batches have no ``frame_second``.

    Source: Senocak et al. 2018; hche11/Localizing-Visual-Sounds-the-Hard-Way, test.py;
        docs/methods/dmc.md#sound-localisation. The baselines are ours.
    """

    def __init__(
        self,
        threshold: Threshold = "median",
        level: float = 0.5,
        size: int = 224,
        pictures: int = 8,
        before_training: bool = True,
    ) -> None:
        known = threshold in ("median", "fixed", "rel_max")
        if not known or not 0 <= level < 1 or size < 1 or pictures < 0:
            raise ValueError(
                f"Localisation: threshold={threshold!r}, level={level}, size={size}, pictures={pictures}; "
                "expected median, fixed or rel_max, a level from 0 to below 1, a size of at least 1 and no "
                "negative number of pictures"
            )
        self.threshold, self.level, self.size = threshold, level, size
        self.before_training = before_training
        self.before: Table = {}
        self._clips: LocalisedClips
        self._pictures = LocalisationFigures(pictures)
        self._told = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that there are maps and boxes to compare."""
        if not isinstance(pl_module, Localises):
            raise MisconfigurationException(
                "Localisation needs a method that localises sounds (unlabelled.contracts.Localises), which "
                f"{type(pl_module).__name__} is not"
            )
        if not isinstance(getattr(trainer, "datamodule", None), HasBoxes):
            raise MisconfigurationException(
                "Localisation needs a data module with boxes (unlabelled.contracts.HasBoxes), such as "
                "datamodules.Embedded or datamodules.FlickrSoundNet"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network, once per run."""
        if not self.before_training or self.before or trainer.global_step > 0:
            return
        clips = self._start(trainer, "val")
        with frozen_state(pl_module):
            for batch in iterate_batches(
                trainer, pl_module, datamodule(trainer).val_dataloader(), "before training"
            ):
                clips.add(batch, pl_module.localise(batch))  # type: ignore[operator]
        self.before = {CENTRED: clips.centred(), UNTRAINED: clips.scores()}
        for logger in trainer.loggers:  # `log` would file them under the end of the first epoch
            untrained = self.before[UNTRAINED].items()
            logger.log_metrics({f"val/{name}": value for name, value in untrained}, step=0)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._clips = self._start(trainer, "val")

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._clips = self._start(trainer, "test")
        self._pictures.start()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score the maps of a batch."""
        assert isinstance(pl_module, Localises)
        with trainer.precision_plugin.forward_context():
            found = pl_module.localise(batch)
        scored = self._clips.add(batch, found)
        if trainer.testing:
            self._pictures.add(trainer, batch, batch_idx, found, scored)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log."""
        if not trainer.sanity_checking:
            self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log, print and draw."""
        table = self._log(pl_module, "test")
        title = f"cIoU, test ({self.threshold}, {self.level:g})"
        before = {UNTRAINED: self.before[UNTRAINED]} if self.before else {}
        print_tables(trainer, {title: {**table, **before}}, "test/localisation")
        curves = {CENTRED: self._clips.centred_overlaps(), TRAINED: self._clips.overlaps()}
        self._pictures.draw(trainer, curves)

    def _start(self, trainer: Trainer, split: str) -> LocalisedClips:
        return LocalisedClips(datamodule(trainer), split, self.threshold, self.level, self.size)

    def _log(self, pl_module: LightningModule, stage: str) -> Table:
        table = {TRAINED: self._clips.scores(), CENTRED: self._clips.centred()}
        for row, suffix in ((TRAINED, ""), (CENTRED, "_centred")):
            for name, value in table[row].items():
                name = name.replace("ciou", f"ciou{suffix}")
                pl_module.log(f"{stage}/{name}", value, prog_bar=name == "ciou_mean", sync_dist=True)
        self._tell()
        return table

    def _tell(self) -> None:
        left_out = self._clips.left_out_everywhere()
        if left_out and not self._told:
            rank_zero_info(f"Localisation leaves out {left_out} clips that could not be read")
        self._told = self._told or bool(left_out)

    def state_dict(self) -> dict[str, Any]:
        """The scores before training."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the scores before training."""
        self.before = state_dict["before"]
