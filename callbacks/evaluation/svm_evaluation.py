"""Linear support vector machines on frozen features, from all training samples or a few per class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from callbacks.evaluation.held_out_evaluation import BankEvaluation, num_classes
from callbacks.evaluation.sub_clip_features import grid_maxima
from callbacks.shared.rows import INDEX, LABEL, Rows, on_first_rank
from callbacks.shared.tables import Table, print_tables
from unlabelled.batch import Batch, Features
from unlabelled.contracts import HasEncoders
from unlabelled.distributed import all_reduce_sum_, broadcast_
from unlabelled.encoders import MODALITY_NDIM, Encoder
from unlabelled.encoders.evaluation_crops import mean_over_crops
from unlabelled.metrics.linear import draw_shots, one_vs_rest, svm_average_precision, unit_rows
from unlabelled.seeding import numpy_generator

Shots = int | Literal["full"]
_IMAGE_NDIM = MODALITY_NDIM["image"]


class _Samples(NamedTuple):
    """Normalised features ``(n, D)`` and labels ``(n, C)`` of all ranks."""

    features: Tensor
    labels: Tensor


class SVMEvaluation(BankEvaluation):
    """Fit a one-vs-rest SVM per class on the features of the training samples; report the mean AP.

    Runs in ``test`` and ``validate``, not within ``fit``. AP is the area under the interpolated
    precision-recall curve of the held-out samples. ``test/svm_map`` (``test/svm_map_4shot``) is the mean AP
    of the best cost, ``test/svm_cost`` that cost. The cost is selected on the held-out samples themselves, as
    in salesforce/PCL, eval_svm_voc.py. ``test`` prints a table of all costs.

    Samples have one label or several, ``(B, C)`` with 1, 0, or -1 where a class ignores a sample. Rank 0
    gathers all features (N * D * 4 bytes, and as much for the solver) and fits the SVMs. After each fit it
    broadcasts the score, so that no collective of the other ranks times out.

    Args:
        shots: Number of training samples per class, or several numbers; ``full``: all.
        costs: C of the SVMs.
        draws: Number of random draws of the samples over which the AP is averaged, for a number of shots.
        seed: Seed of the draws and of the solver.
        modality: Modality of the features; ``null`` where there is only one.
        grid: Take the last maps of the image encoder, max-pooled to this number of rows and columns, such as
            ``[4, 4]``, in place of the features; ``null``: the features.

    Raises:
        MisconfigurationException: The method has no image encoder, and ``grid`` is given.
        ValueError: An argument is out of its range, a class has fewer samples than shots, there are features
            of several modalities, or the labels do not match the classes.

    Source: salesforce/PCL, eval_svm_voc.py; SCE Table 10; docs/methods/sce.md#low-shot-svm.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/svm_map*", "val/svm_cost*")

    def __init__(
        self,
        shots: Shots | list[Shots] = "full",
        costs: list[float] | None = None,
        draws: int = 5,
        seed: int = 0,
        modality: str | None = None,
        grid: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(every_n_epochs=None)
        self.shots = list(shots) if isinstance(shots, list) else [shots]
        self.costs = costs if costs is not None else [0.5]
        self.draws, self.seed, self.modality, self.grid = draws, seed, modality, grid
        self._check_arguments()

    def _check_arguments(self) -> None:
        invalid = [each for each in self.shots if each != "full" and (not isinstance(each, int) or each < 1)]
        if invalid or not self.shots or not self.costs or min(self.costs) <= 0 or self.draws < 1:
            raise ValueError(
                f"SVMEvaluation: shots={self.shots}, costs={self.costs}, draws={self.draws}; expected "
                "numbers of at least 1 or 'full', positive costs, and at least one draw"
            )
        if self.grid is not None and min(self.grid) < 1:
            raise ValueError(f"SVMEvaluation: grid={list(self.grid)}; expected at least 1 row and 1 column")

    def extract(self, pl_module: LightningModule, batch: Batch, pooled: Features | None) -> Features:
        """Return the features of a batch; with ``grid``, those of the maps of its images."""
        if self.grid is None:
            return super().extract(pl_module, batch, pooled)
        encoders = pl_module.encoders if isinstance(pl_module, HasEncoders) else nn.ModuleDict()
        encoder = dict(encoders.items()).get("image")
        if not isinstance(encoder, Encoder):
            raise MisconfigurationException(
                f"SVMEvaluation: grid={list(self.grid)} needs the maps of an image encoder, which "
                f"{type(pl_module).__name__} does not have; set grid: null"
            )
        grid, maps = self.grid, encoder.feature_maps
        crops = mean_over_crops(lambda each: grid_maxima(maps(each), grid), batch["image"], _IMAGE_NDIM)
        return {"image": crops}

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Fit on rank 0; log on all ranks; print in ``test``."""
        classes = num_classes(trainer)
        self._check_shots(one_vs_rest(bank.labels, classes))
        self._check_held_out(one_vs_rest(queries.labels, classes))
        train, test = (self._gathered(rows, classes) for rows in (bank, queries))
        table: Table = {}
        for shots in self.shots:
            scores = self._mean_precisions(train, test, shots, classes, pl_module.device)
            table |= self._log(pl_module, shots, scores, stage)
        if stage == "test":
            print_tables(trainer, {"SVM, test": table}, "test/svm")

    def _check_shots(self, labels: Tensor) -> None:
        """Check on all ranks that each class has enough samples, as only rank 0 fits SVMs."""
        required = max((each for each in self.shots if each != "full"), default=1)
        counts = all_reduce_sum_((labels == 1).sum(0))
        if int(counts.min()) < required:
            raise ValueError(
                f"SVMEvaluation: class {int(counts.argmin())} has {int(counts.min())} labelled training "
                f"samples, but {required} per class are needed; set fewer shots, or leave the class out"
            )

    def _check_held_out(self, labels: Tensor) -> None:
        empty = int((all_reduce_sum_((labels == 1).sum(0)) == 0).sum())
        if empty == labels.shape[1]:
            raise ValueError("SVMEvaluation: no held-out sample has a label")
        if empty:
            rank_zero_info(f"SVMEvaluation: {empty} classes have no held-out sample and are left out")

    def _gathered(self, rows: Rows, classes: int) -> _Samples | None:
        features = rows.features_of(self.modality)
        if len(features) > 1:
            raise ValueError(
                f"SVMEvaluation: there are features of {', '.join(features)}; set `modality` to one of them"
            )
        gathered = on_first_rank(Rows({**features, INDEX: rows.index, LABEL: rows.labels}, rows.left_out))
        if gathered is None:
            return None
        (feature,) = gathered.features.values()
        return _Samples(unit_rows(feature), one_vs_rest(gathered.labels, classes))

    def _mean_precisions(
        self, train: _Samples | None, test: _Samples | None, shots: Shots, classes: int, device: torch.device
    ) -> Tensor:
        """Return the mean AP ``(costs, draws)`` float64, the same on all ranks."""
        draws = 1 if shots == "full" else self.draws
        scores = torch.empty(len(self.costs), draws, dtype=torch.float64)
        for draw in range(draws):
            part = self._drawn(train, shots, draw) if train is not None else None
            for number, cost in enumerate(self.costs):
                each = torch.tensor(list(self._precisions(part, test, cost, classes, device)))
                scores[number, draw] = each.nanmean()  # without classes that have no held-out sample
        return scores

    def _drawn(self, train: _Samples, shots: Shots, draw: int) -> _Samples:
        if shots == "full":
            return train
        rows = draw_shots(train.labels, shots, numpy_generator(self.seed, "svm", shots, draw))
        return _Samples(train.features[rows], train.labels[rows])

    def _precisions(
        self, train: _Samples | None, test: _Samples | None, cost: float, classes: int, device: torch.device
    ) -> Iterator[float]:
        """Yield the AP of each class; a broadcast per class prevents a timeout of the ranks that wait."""
        for number in range(classes):
            score = torch.tensor([torch.nan, 0], dtype=torch.float64, device=device)
            failure: Exception = RuntimeError("SVMEvaluation failed on rank 0; see its message")
            if train is not None and test is not None:
                fitted, scored = ((part.features, part.labels[:, number]) for part in (train, test))
                try:
                    score[0] = svm_average_precision(fitted, scored, cost, self.seed)
                except ValueError as error:
                    failure, score[1] = error, 1
            broadcast_(score)
            if score[1]:  # raised on all ranks, or the others would wait for this one
                raise failure
            yield float(score[0])

    def _log(self, pl_module: LightningModule, shots: Shots, scores: Tensor, stage: str) -> Table:
        """Log the score of the best cost; return the rows of all costs."""
        means, deviations = scores.mean(1), scores.std(1, correction=0)
        best = int(means.argmax())
        suffix = "" if shots == "full" else f"_{shots}shot"
        pl_module.log(f"{stage}/svm_map{suffix}", float(means[best]), prog_bar=True, sync_dist=True)
        pl_module.log(f"{stage}/svm_cost{suffix}", self.costs[best], sync_dist=True)
        name = "full" if shots == "full" else f"{shots} per class"
        return {
            f"{name}, C={cost:g}" + (" (best)" if number == best else ""): {
                "mAP": float(means[number]),
                "std": float(deviations[number]),
            }
            for number, cost in enumerate(self.costs)
        }
