"""Evaluation of sound localisation."""

from __future__ import annotations

from typing import Any, ClassVar

from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info

from callbacks.figures.localisation_figures import LocalisationFigures
from callbacks.shared.batches import datamodule, frozen_state, iterate_batches
from callbacks.shared.before_training import ScoresBeforeTraining
from callbacks.shared.localised_clips import LocalisedClips, Overlaps, overlap_scores
from callbacks.shared.loggers import Messages
from callbacks.shared.tables import Table, print_tables
from unlabelled.batch import Batch
from unlabelled.contracts import HasBoxes, Localises
from unlabelled.metrics.localisation import Threshold

CENTRED, UNTRAINED, TRAINED = "centred box", "untrained maps", "maps"


class Localisation(ScoresBeforeTraining):
    """Compare localisation maps with the boxes of the annotators.

    A map is scaled bilinearly to ``size`` x ``size`` and linearly to 0 to 1; its pixels above the threshold
    are compared with the boxes. Logs ``val/ciou``, the share of clips whose cIoU is at least 0.5,
    ``val/ciou_mean`` and ``val/ciou_auc``. There are two baselines: ``val/ciou_centred...``, a box in the
    centre of each frame with the mean width and height of the evaluated boxes, and the untrained network.
    ``test`` prints a table and draws figures (:class:`LocalisationFigures`). On data without boxes nothing is
    evaluated.

    Args:
        threshold: ``median``, ``fixed`` or ``rel_max``, as in
            :func:`~unlabelled.metrics.localisation.detected`. With ``median`` at level 0.5, half of the
            pixels of each map are above it, and no cIoU of 0.5 is possible on boxes of less than a quarter of
            the frame.
        level: Level of the threshold.
        size: Height and width at which maps and boxes are compared.
        num_drawn_clips: Number of clips to draw in ``test``.
        before_training: Also score the untrained network on the validation set, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Raises:
        ValueError: An argument is out of its range, the batches have no ``frame_second``, or no clip could be
            read.
        MisconfigurationException: The method does not localise (:class:`unlabelled.contracts.Localises`), or
            there is no data module.

    Source: Senocak et al. 2018; hche11/Localizing-Visual-Sounds-the-Hard-Way, test.py;
        docs/methods/dmc.md#sound-localisation. The baselines are ours.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/ciou", "val/ciou_*")

    def __init__(
        self,
        threshold: Threshold = "median",
        level: float = 0.5,
        size: int = 224,
        num_drawn_clips: int = 8,
        before_training: bool = True,
    ) -> None:
        super().__init__(before_training)
        is_threshold = threshold in ("median", "fixed", "rel_max")
        if not is_threshold or not 0 <= level < 1 or size < 1 or num_drawn_clips < 0:
            raise ValueError(
                f"Localisation: threshold={threshold!r}, level={level}, size={size}, "
                f"num_drawn_clips={num_drawn_clips}; "
                "expected median, fixed or rel_max, a level from 0 to below 1, a size of at least 1 and "
                "num_drawn_clips of at least 0"
            )
        self.threshold, self.level, self.size = threshold, level, size
        self._clips: LocalisedClips
        self._figures = LocalisationFigures(num_drawn_clips)
        self._messages = Messages(self)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the method localises, and whether the data module has boxes."""
        if not isinstance(pl_module, Localises):
            raise MisconfigurationException(
                "Localisation needs a method that localises (unlabelled.contracts.Localises), which "
                f"{type(pl_module).__name__} is not"
            )
        data = getattr(trainer, "datamodule", None)
        if data is None:
            raise MisconfigurationException(
                "Localisation needs a data module with boxes (unlabelled.contracts.HasBoxes), such as "
                "datamodules.Embedded or datamodules.FlickrSoundNet"
            )
        self.idle = not isinstance(data, HasBoxes)
        if self.idle:
            rank_zero_info("Localisation: idle, as the data have no boxes (unlabelled.contracts.HasBoxes)")

    def score_untrained(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the scores of the maps and of the centred box on the validation set."""
        clips = self._new_clips(trainer, "val")
        loader = datamodule(trainer).val_dataloader()
        with frozen_state(pl_module):
            for batch in iterate_batches(trainer, pl_module, loader, "before training"):
                clips.add(batch, pl_module.localise(batch))  # type: ignore[operator]
        overlaps = clips.finish()
        untrained = overlap_scores(overlaps.maps)
        table = {CENTRED: overlap_scores(overlaps.centred), UNTRAINED: untrained}
        return table, {f"val/{name}": value for name, value in untrained.items()}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the clips."""
        if not self.idle:
            self._clips = self._new_clips(trainer, "val")

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the clips."""
        if not self.idle:
            self._clips = self._new_clips(trainer, "test")
            self._figures.reset()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Compare the maps of a batch with boxes."""
        if self.idle:
            return
        assert isinstance(pl_module, Localises)
        with trainer.precision_plugin.forward_context():
            localised = pl_module.localise(batch)
        scored = self._clips.add(batch, localised)
        if trainer.testing:
            self._figures.add(trainer, batch, batch_idx, localised, scored)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores."""
        if not trainer.sanity_checking and not self.idle:
            self._log(pl_module, "val", self._clips.finish())

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and print the scores; draw the figures."""
        if self.idle:
            return
        overlaps = self._clips.finish()
        table = self._log(pl_module, "test", overlaps)
        title = f"cIoU, test ({self.threshold}, {self.level:g})"
        before = {UNTRAINED: self.before[UNTRAINED]} if self.before else {}
        print_tables(trainer, {title: {**table, **before}}, "test/localisation")
        self._figures.draw(trainer, {CENTRED: overlaps.centred, TRAINED: overlaps.maps})

    def _new_clips(self, trainer: Trainer, split: str) -> LocalisedClips:
        return LocalisedClips(datamodule(trainer), split, self.threshold, self.level, self.size)

    def _log(self, pl_module: LightningModule, stage: str, overlaps: Overlaps) -> Table:
        table = {TRAINED: overlap_scores(overlaps.maps), CENTRED: overlap_scores(overlaps.centred)}
        for row, suffix in ((TRAINED, ""), (CENTRED, "_centred")):
            for name, value in table[row].items():
                name = name.replace("ciou", f"ciou{suffix}")
                pl_module.log(f"{stage}/{name}", value, prog_bar=name == "ciou_mean", sync_dist=True)
        if overlaps.left_out:
            message = f" leaves out {overlaps.left_out} clips that could not be read"
            self._messages.log_once(message, "left out")
        return table
