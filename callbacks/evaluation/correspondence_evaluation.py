"""Evaluation of the ability of a method to match images with their audio."""

from __future__ import annotations

from typing import Any, ClassVar

from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException

from callbacks.shared.batches import datamodule, frozen_state, iterate_batches, not_replaced
from callbacks.shared.before_training import ScoresBeforeTraining
from callbacks.shared.loggers import Messages
from callbacks.shared.rows import RowCollection, as_float32, gather
from callbacks.shared.tables import print_tables
from unlabelled.batch import Batch
from unlabelled.contracts import ScoresPairs
from unlabelled.metrics.correspondence import pair_contest


class CorrespondenceEvaluation(ScoresBeforeTraining):
    """Compare held-out pairs of an image and its audio with mismatched pairs.

    The image of each clip is paired with the audio of the clips at fixed distances from it in the data set,
    cyclically. ``val/pair_accuracy`` is the share of comparisons in which the true pair has the higher score;
    ties count half. It is the mean of ``val/pair_accuracy_audio`` (several audio tracks for an image) and
    ``val/pair_accuracy_images`` (several images for an audio track); chance is 0.5. For a method with a
    threshold, ``val/two_way_accuracy`` is the accuracy on pairs of which half are true. Clips with silent
    audio are left out. ``test`` prints a table.

    The codes of all clips are gathered on all ranks, which compare a part of the pairs each.

    Args:
        mismatches: Mismatched partners of each clip; all other clips if there are fewer.
        before_training: Also score the untrained network on the validation set, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Raises:
        MisconfigurationException: The method does not score pairs
            (:class:`unlabelled.contracts.ScoresPairs`).
        ValueError: ``mismatches`` is below 1, there are fewer than two clips with audio, or the method
            returns no codes.

    Source: DTaoo/Simplified_DMC, location_dmc.py, ``eva_metric2`` (pair ranking); Arandjelovic and Zisserman
        2017 (two-way accuracy); docs/methods/dmc.md#correspondence-evaluation.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/pair_accuracy", "val/pair_accuracy_*", "val/two_way_accuracy")

    def __init__(self, mismatches: int = 50, before_training: bool = True) -> None:
        super().__init__(before_training)
        if mismatches < 1:
            raise ValueError(f"CorrespondenceEvaluation: mismatches={mismatches} must be at least 1")
        self.mismatches = mismatches
        self._codes = RowCollection("CorrespondenceEvaluation")
        self._messages = Messages(self)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the method."""
        if not isinstance(pl_module, ScoresPairs):
            raise MisconfigurationException(
                "CorrespondenceEvaluation needs a method that scores pairs "
                f"(unlabelled.contracts.ScoresPairs), which {type(pl_module).__name__} is not"
            )

    def score_untrained(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the scores on the validation set."""
        codes = RowCollection("CorrespondenceEvaluation")
        loader = datamodule(trainer).val_dataloader()
        with frozen_state(pl_module):
            for batch in iterate_batches(trainer, pl_module, loader, "before training"):
                _add(codes, batch, pl_module.evaluation_step(batch))  # type: ignore[operator]
            scores = self._scores(pl_module, codes)
        return scores, {f"val/{name}": value for name, value in scores.items()}

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the codes."""
        self._codes = RowCollection("CorrespondenceEvaluation")

    on_test_epoch_start = on_validation_epoch_start

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the codes of a batch."""
        _add(self._codes, batch, outputs)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the scores."""
        if not trainer.sanity_checking:
            self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and print the scores."""
        after = _columns(self._log(pl_module, "test"))
        before = {"untrained": _columns(self.before)} if self.before else {}
        print_tables(trainer, {"pairs, test": {"trained": after, **before}}, "test/pairs")

    def _log(self, pl_module: LightningModule, stage: str) -> dict[str, float]:
        scores = self._scores(pl_module, self._codes)
        for name, value in scores.items():
            pl_module.log(f"{stage}/{name}", value, prog_bar=name == "pair_accuracy", sync_dist=True)
        return scores

    def _scores(self, pl_module: LightningModule, codes: RowCollection) -> dict[str, float]:
        assert isinstance(pl_module, ScoresPairs)
        rows = gather(codes.finish())
        if rows.left_out:
            message = f" leaves out {rows.left_out} clips that are silent or could not be read"
            self._messages.log_once(message, "left out")
        if len(rows) < 2:
            raise ValueError(
                f"CorrespondenceEvaluation: {len(rows)} clips with audio that is not silent; expected 2 or "
                "more"
            )
        visual, audio = rows.columns["visual"], rows.columns["audio"]
        contest = pair_contest(
            pl_module.pair_scores, visual, audio, self.mismatches, pl_module.pair_threshold
        )
        return contest.accuracies()


def _add(codes: RowCollection, batch: Batch, outputs: dict[str, Any]) -> None:
    if "pair_codes" not in outputs:
        raise ValueError(
            "CorrespondenceEvaluation: the method's evaluation_step returned no pair_codes; use a pipeline "
            "with images and audio and one crop per sample, such as unlabelled.pipelines.FrameAndAudio"
        )
    keep = not_replaced(batch)
    if "silent" in batch:
        keep = keep & ~batch["silent"]
    pair_codes = {name: outputs["pair_codes"][name] for name in ("visual", "audio")}
    codes.add(batch, as_float32(pair_codes), keep)


def _columns(scores: dict[str, float]) -> dict[str, float]:
    """Return the scores under shorter names, for a table."""
    return {
        name.removeprefix("pair_accuracy_").removeprefix("pair_").removesuffix("_accuracy"): value
        for name, value in scores.items()
    }
