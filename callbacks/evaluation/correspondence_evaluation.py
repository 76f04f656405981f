"""Whether a method knows which picture and which sound belong together."""

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
    """Let held-out pairs of a picture and its sound compete with mismatched ones.

    Each clip's picture meets the sounds of the clips at fixed distances from it in the data set, cyclically.
    ``val/pair_accuracy`` is how often the true pair scores higher, ties by half: the mean of
    ``val/pair_accuracy_sounds``, where it is the true sound of the picture, and
    ``val/pair_accuracy_pictures``, where it is the true picture of the sound. Chance is 0.5. Of a method with
    a threshold ``val/two_way_accuracy`` is how often it judges pairs rightly, of which half are true. Silent
    sounds are left out. ``test`` prints a table.

    The codes of all clips come together on all ranks, which share the work.

    Args:
        mismatches: Wrong partners of each clip; all others where there are fewer.
        before_training: Also score the untrained network on the validation set, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: ``mismatches`` is below 1; fewer than two clips with a sound.

    Source: reference dmc.md sections 1.9 and 2.6.
    """

    def __init__(self, mismatches: int = 50, before_training: bool = True) -> None:
        if mismatches < 1:
            raise ValueError(f"CorrespondenceEvaluation: mismatches={mismatches} must be at least 1")
        self.mismatches, self.before_training = mismatches, before_training
        self.before: dict[str, float] = {}
        self._codes = _Codes()
        self._told = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check at start that there are pairs to score."""
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
        """Start anew."""
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
        """Remember the codes of a batch."""
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
        """Take them back."""
        self.before = state_dict["before"]


def _columns(scores: dict[str, float]) -> dict[str, float]:
    """Shorten the names for a table: accuracy, sounds, pictures, two_way."""
    return {
        name.removeprefix("pair_accuracy_").removeprefix("pair_").removesuffix("_accuracy"): value
        for name, value in scores.items()
    }


class _Codes:
    """Gathers one rank's codes, batch by batch."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Tensor]] = {name: [] for name in (*_CODES, "index")}
        self._left_out = 0

    def add(self, batch: Batch, outputs: dict[str, Any]) -> None:
        """Append the clips of a batch.

        Raises:
            ValueError: The method gave no codes.
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
        """Return the codes of all ranks in the data set's order, and how many clips were left out."""
        if not self._parts["index"]:
            raise ValueError("evaluation: a process has no samples; use fewer processes than samples")
        order = gather_rows(torch.cat(self._parts["index"])).argsort()
        visual, audio = (gather_rows(torch.cat(self._parts[name]))[order] for name in _CODES)
        return visual, audio, int(all_reduce_sum_(torch.tensor(self._left_out, device=order.device)))
