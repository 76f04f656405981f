"""Audio classification by linear SVMs on frozen features, as on ESC-50 and DCASE2014."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.evaluation.held_out_evaluation import BankEvaluation, class_of_each, num_classes
from callbacks.evaluation.sub_clip_features import AUDIO, sub_clip_features
from callbacks.shared.batches import datamodule
from callbacks.shared.rows import Rows, on_first_rank
from callbacks.shared.tables import Table, print_tables
from unlabelled.batch import Batch, Features
from unlabelled.contracts import CrossValidated, HasEncoders
from unlabelled.distributed import from_first_rank
from unlabelled.metrics.audio_svm import MAX_ITERATIONS, AudioSVM, Recordings, Result


class AudioSVMEvaluation(BankEvaluation):
    """Classify recordings by one linear SVM per class against the rest, on features of the audio encoder.

    Runs in ``test`` and ``validate``, not within ``fit``. Features are standardised. For training, each
    sub-clip has the label of its recording; for testing, the scores of the sub-clips of a recording are
    averaged, and the class is the arg-max. The cost is selected on inner splits of the training recordings;
    the sub-clips of a recording are always in the same part of a split. ``test/audio_svm_accuracy`` is the
    mean of the accuracies of the classes.

    The training recordings are the bank of the data module. If the data module is
    :class:`~unlabelled.contracts.CrossValidated`, there is no bank: each fold is evaluated with SVMs fitted
    on the other folds, and ``test/audio_svm_accuracy_std`` is the standard deviation over the folds.
    ``test`` prints a table.

    Rank 0 gathers all features, fits the SVMs and needs memory for them: recordings * sub-clips * D * 4
    bytes, 0.15 GB for the training set of DCASE2014, and about eight times as much for the solver.

    Args:
        grid: Grid (frequency, time) of the max-pooling of the encoder's last feature maps, which are then
            flattened: 4x3 cells of 512 channels are 6144 features. [1, 1]: the maximum over all positions. An
            axis with fewer positions than cells is not pooled. ``null``: the pooled feature of the method for
            each sub-clip.
        costs: Candidates for C of the SVMs.
        inner_rounds: Number of inner folds that are held out in turn to select the cost; ``null``: all of
            them. The inner folds are the other folds of the data set, or else five random ones. Each round
            takes one fit per cost.
        seed: Seed of the random inner folds and of the solver.

    Raises:
        ValueError: A number is out of its range, samples have several labels, or a class has no training
            recording.
        MisconfigurationException: The method has no audio encoder.

    Source: Hu et al. 2019 (DMC), supplement section 4; docs/methods/dmc.md#audio-classification.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/audio_svm_accuracy*", "val/audio_svm_cost")

    def __init__(
        self,
        grid: tuple[int, int] | None = (4, 3),
        costs: list[float] | None = None,
        inner_rounds: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(every_n_epochs=None)
        self.costs = costs if costs is not None else [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
        self.grid, self.inner_rounds, self.seed = grid, inner_rounds, seed
        smallest = [*(grid or ()), *(() if inner_rounds is None else (inner_rounds,))]
        if not self.costs or min(self.costs) <= 0 or min(smallest, default=1) < 1:
            raise ValueError(
                f"AudioSVMEvaluation: grid={grid}, costs={self.costs}, inner_rounds={inner_rounds}; expected "
                "at least one cell along each axis, positive costs, and at least one round or null"
            )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the method has an audio encoder."""
        super().setup(trainer, pl_module, stage)
        encoders = list(pl_module.encoders) if isinstance(pl_module, HasEncoders) else []
        if stage != "predict" and AUDIO not in encoders:
            raise MisconfigurationException(
                f"AudioSVMEvaluation needs an audio encoder, but {type(pl_module).__name__} has "
                f"{', '.join(encoders) or 'no encoders'}"
            )

    def extract(self, pl_module: LightningModule, batch: Batch, pooled: Features | None) -> Features:
        """Return ``{audio: (B, V, D)}``."""
        return {AUDIO: sub_clip_features(pl_module, batch, self.grid)}

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Fit on the bank, and classify the queries."""
        svm = self._svm(trainer)
        train, test = self._gathered(bank), self._gathered(queries)

        def work() -> dict[str, Result]:
            assert train is not None
            assert test is not None
            return {"held out": svm.held_out(train[0], test[0])}

        self._report(trainer, pl_module, from_first_rank(work), stage)

    def _finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Evaluate each fold if the data set has folds, otherwise compare with the bank."""
        if self._queries is None:
            return
        data = datamodule(trainer)
        folds = data.folds(stage) if isinstance(data, CrossValidated) else None
        if folds is None:
            super()._finish(trainer, pl_module, stage)
            return
        queries, self._queries = self._queries.finish(), None
        self._cross_validate(trainer, pl_module, self.usable(queries, f"{stage} samples"), folds, stage)

    def _cross_validate(
        self, trainer: Trainer, pl_module: LightningModule, rows: Rows, folds: Sequence[int], stage: str
    ) -> None:
        svm, gathered, numbers = self._svm(trainer), self._gathered(rows), sorted(set(folds))

        def work() -> dict[str, Result]:
            assert gathered is not None
            recordings, index = gathered
            results = svm.cross_validated(recordings, torch.tensor(folds)[index], numbers)
            return {f"fold {number}": result for number, result in zip(numbers, results, strict=True)}

        self._report(trainer, pl_module, from_first_rank(work), stage)

    def _svm(self, trainer: Trainer) -> AudioSVM:
        return AudioSVM(num_classes(trainer), self.costs, self.inner_rounds, self.seed)

    def _gathered(self, rows: Rows) -> tuple[Recordings, Tensor] | None:
        """Return the recordings of all ranks and their rows in the data set; None on ranks other than 0."""
        class_of_each(rows, "AudioSVMEvaluation")
        gathered = on_first_rank(rows)
        if gathered is None:
            return None
        return Recordings(gathered.features[AUDIO], gathered.labels), gathered.index

    def _report(
        self, trainer: Trainer, pl_module: LightningModule, results: dict[str, Result], stage: str
    ) -> None:
        """Log on all ranks; print in ``test``."""
        for name, value in summary(results).items():
            pl_module.log(f"{stage}/{name}", value, prog_bar=name == "audio_svm_accuracy", sync_dist=True)
        for line in remarks(results):
            rank_zero_info(f"AudioSVMEvaluation: {line}")
        if stage == "test":
            print_tables(trainer, {"audio SVM, test": as_table(results)}, "test/audio_svm")


def summary(results: Mapping[str, Result]) -> dict[str, float]:
    """Return the metrics to log: accuracy and cost, or mean and standard deviation over several folds."""
    accuracies = [result.accuracy for result in results.values()]
    if len(results) == 1:
        return {"audio_svm_accuracy": accuracies[0], "audio_svm_cost": next(iter(results.values())).cost}
    return {
        "audio_svm_accuracy": statistics.fmean(accuracies),
        "audio_svm_accuracy_std": statistics.pstdev(accuracies),
    }


def as_table(results: Mapping[str, Result]) -> Table:
    """Return a row for each fold, with its cost, and a row of means if there are several folds."""
    table = {f"{name}, C={result.cost:g}": _row(result) for name, result in results.items()}
    if len(results) > 1:
        means = {
            key: statistics.fmean(row[key] for row in table.values()) for key in _row(Result(*[0.0] * 6))
        }
        table[f"mean (std {summary(results)['audio_svm_accuracy_std']:.3f})"] = means
    return table


def _row(result: Result) -> dict[str, float]:
    return {"accuracy": result.accuracy, "inner": result.inner_accuracy, "tested": result.recordings}


def remarks(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield messages about fits that did not converge and classes without test recordings."""
    unconverged = sum(result.unconverged for result in results.values())
    if unconverged:
        yield (
            f"{unconverged:g} fits, of all costs and rounds, stopped at {MAX_ITERATIONS} iterations; lower "
            "costs need fewer"
        )
    for name, result in results.items():
        if result.untested:
            yield f"{name}: {result.untested:g} classes have no test recording and are left out"
