"""Evaluation of how well a method finds the audio of an image and the image of an audio track."""

from __future__ import annotations

from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.shared.batches import datamodule, frozen_state, iterate_batches, not_replaced
from callbacks.shared.reports import print_tables
from unlabelled.batch import Batch
from unlabelled.contracts import ScoresPairs
from unlabelled.distributed import all_reduce_sum_, gather_rows
from unlabelled.metrics.correspondence import pair_contest

_CODES = ("visual", "audio")


class CorrespondenceEvaluation(Callback):
    """Compare held-out pairs of an image and its audio with mismatched ones.

    The image of each clip is paired with the audio of clips at fixed distances from it in the data set,
    cyclically. ``val/pair_accuracy`` is how often the true pair scores higher, ties by half: the mean of
    ``val/pair_accuracy_sounds``, the true audio of the image, and ``val/pair_accuracy_pictures``, the true
    image of the audio. Chance is 0.5. For a method with a threshold, ``val/two_way_accuracy`` is the accuracy
    on pairs of which half are true. Clips with silent audio are left out. ``test`` prints a table.

    The codes of all clips are gathered on all ranks, which share the work.

    Args:
        mismatches: Mismatched partners of each clip; all others if there are fewer.
        before_training: Also score the untrained network on the validation set, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: ``mismatches`` is below 1; fewer than two clips with audio.

    Source: DTaoo/Simplified_DMC, location_dmc.py, ``eva_metric2`` (pair ranking); Arandjelovic and Zisserman
        2017 (two-way accuracy); docs/methods/dmc.md#correspondence-evaluation.
    """

    def __init__(self, mismatches: int = 50, before_training: bool = True) -> None:
        if mismatches < 1:
            raise ValueError(f"CorrespondenceEvaluation: mismatches={mismatches} must be at least 1")
        self.mismatches, self.before_training = mismatches, before_training
        self.before: dict[str, float] = {}
        self._codes = _Codes()
        self._told = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the method scores pairs."""
        if not isinstance(pl_module, ScoresPairs):
            raise MisconfigurationException(
                "CorrespondenceEvaluation needs a method that scores pairs "
                f"(unlabelled.contracts.ScoresPairs), which {type(pl_module).__name__} is not"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score the untrained network, once per run."""
        if not self.before_training or self.before or trainer.global_step > 0:
            return
        codes = _Codes()
        with frozen_state(pl_module):
            for batch in iterate_batches(
                trainer, pl_module, datamodule(trainer).val_dataloader(), "before training"
            ):
                codes.add(batch, pl_module.evaluation_step(batch))  # type: ignore[operator]
            self.before = self._scores(pl_module, codes)
        for logger in trainer.loggers:  # `log` would file them under the end of the first epoch
            logger.log_metrics({f"val/{name}": value for name, value in self.before.items()}, step=0)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset."""
        self._codes = _Codes()

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
        self._codes.add(batch, outputs)

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log."""
        if not trainer.sanity_checking:
            self._log(pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log and print."""
        after = _columns(self._log(pl_module, "test"))
        before = {"untrained": _columns(self.before)} if self.before else {}
        print_tables(trainer, {"pairs, test": {"trained": after, **before}}, "test/pairs")

    def _log(self, pl_module: LightningModule, stage: str) -> dict[str, float]:
        scores = self._scores(pl_module, self._codes)
        for name, value in scores.items():
            pl_module.log(f"{stage}/{name}", value, prog_bar=name == "pair_accuracy", sync_dist=True)
        return scores

    def _scores(self, pl_module: LightningModule, codes: _Codes) -> dict[str, float]:
        assert isinstance(pl_module, ScoresPairs)
        visual, audio, left_out = codes.everywhere()
        if left_out and not self._told:
            rank_zero_info(
                f"CorrespondenceEvaluation leaves out {left_out} clips that are silent or could not be read"
            )
        self._told = self._told or bool(left_out)
        if len(visual) < 2:
            raise ValueError(
                f"CorrespondenceEvaluation: {len(visual)} clips with a sound; expected at least 2"
            )
        contest = pair_contest(
            pl_module.pair_scores, visual, audio, self.mismatches, pl_module.pair_threshold
        )
        return contest.accuracies()

    def state_dict(self) -> dict[str, Any]:
        """The scores before training."""
        return {"before": self.before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the scores before training."""
        self.before = state_dict["before"]


def _columns(scores: dict[str, float]) -> dict[str, float]:
    """Shorten the names for a table: accuracy, sounds, pictures, two_way."""
    return {
        name.removeprefix("pair_accuracy_").removeprefix("pair_").removesuffix("_accuracy"): value
        for name, value in scores.items()
    }


class _Codes:
    """Collector of the codes of one rank, batch by batch."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Tensor]] = {name: [] for name in (*_CODES, "index")}
        self._left_out = 0

    def add(self, batch: Batch, outputs: dict[str, Any]) -> None:
        """Append the clips of a batch.

        Raises:
            ValueError: The method returned no codes.
        """
        if "pair_codes" not in outputs:
            raise ValueError(
                "CorrespondenceEvaluation: the method's evaluation_step gave no pair_codes; use a view with "
                "sight and sound and one view per sample, such as unlabelled.pipelines.FrameAndAudio"
            )
        keep = not_replaced(batch)
        if "silent" in batch:
            keep = keep & ~batch["silent"]
        for name in _CODES:
            self._parts[name].append(outputs["pair_codes"][name][keep].detach().float())
        self._parts["index"].append(batch["index"][keep])
        self._left_out += int((~keep).sum())

    def everywhere(self) -> tuple[Tensor, Tensor, int]:
        """Return the codes of all ranks in the order of the data set, and the number of clips left out."""
        if not self._parts["index"]:
            raise ValueError("evaluation: a process has no samples; use fewer processes than samples")
        order = gather_rows(torch.cat(self._parts["index"])).argsort()
        visual, audio = (gather_rows(torch.cat(self._parts[name]))[order] for name in _CODES)
        return visual, audio, int(all_reduce_sum_(torch.tensor(self._left_out, device=order.device)))
