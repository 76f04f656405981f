"""Zero-shot retrieval of the video of a text among the videos of a set, and the reverse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.evaluation.set_evaluation import SetEvaluation
from callbacks.shared.directions import parse_direction
from callbacks.shared.feature_collection import Rows
from callbacks.shared.set_rows import HostFeatures
from callbacks.shared.tables import Table
from unlabelled.data.datasets.evaluation_sets import RetrievalSet
from unlabelled.metrics import (
    geometric_mean_recall,
    listed_ties_scores,
    mean_by_id,
    pair_ranks,
    retrieval_scores,
)

_LOGGED = ("recall@1", "recall@5", "recall@10", "recall@50", "median_rank", "mean_rank")


class ZeroShotRetrieval(SetEvaluation[RetrievalSet, Rows]):
    """Search each retrieval set in one or several directions, the protocol of EAO and SSPC.

    Logged per set and direction: ``val/msrvtt/text_to_video+audio/recall@1`` (5, 10, 50) as fractions, like
    all recalls here, and ``median_rank`` and ``mean_rank``, which count from 1. The table of ``test`` has
    recalls in percent, as papers do, and the geometric mean of R@1, R@5 and R@10. Ties get the mean of their
    places. Items that are missing or unreadable are misses of R@k; the two ranks leave them out.

    Args:
        directions: ``<query>-><gallery>`` with the names of the method's features; ``video+audio`` is the
            method's feature of both.
        similarity: ``cosine``, or ``dot``: of the features as they are (MCN).
        ties: How the right item counts among equals: ``averaged``, the mean of their places (EAO, SSPC); or
            ``listed``, once for each of their places (MCN, AVLnet; recalls can exceed 1).
        average_by_title: First average the features of all rows of one title, as the released code does with
            the clips of an item; otherwise each row is a pair of its own.
        every_n_epochs: Validations of ``fit`` that do this; ``null``: none. A checkpoint that is selected by
            a recall needs as rare validations.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``; the
            numbers stay in the checkpoint, and ``test`` prints them beside its own.

    Raises:
        ValueError: What is not a direction, or features that are not finite.
        MisconfigurationException: The method has no features of a name.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/trainer/trainer.py and metric/metric.py;
    docs/methods/sspc.md#retrieval.
    """

    kind = RetrievalSet
    protocol = "zero-shot retrieval"

    def __init__(
        self,
        directions: Sequence[str] = ("text->video+audio", "video+audio->text"),
        similarity: Literal["cosine", "dot"] = "cosine",
        average_by_title: bool = False,
        ties: Literal["averaged", "listed"] = "averaged",
        every_n_epochs: int | None = 1,
        before_training: bool = True,
    ) -> None:
        super().__init__(every_n_epochs, before_training)
        if not directions:
            raise ValueError("ZeroShotRetrieval: there are no directions, expected at least one")
        if similarity not in ("cosine", "dot"):
            raise ValueError(f"ZeroShotRetrieval: similarity={similarity!r}; expected cosine or dot")
        self.directions = [parse_direction(each, "ZeroShotRetrieval") for each in directions]
        if ties not in ("averaged", "listed"):
            raise ValueError(f"ZeroShotRetrieval: ties={ties!r}; expected averaged or listed")
        self.similarity, self.average_by_title, self.ties = similarity, average_by_title, ties

    @property
    def state_key(self) -> str:
        """Key that differs between several of these callbacks."""
        return self._generate_state_key(
            directions=[str(each) for each in self.directions], similarity=self.similarity
        )

    def start(self, trainer: Trainer, pl_module: LightningModule, chosen: RetrievalSet) -> HostFeatures:
        """Collect the features of all directions."""
        names = dict.fromkeys(name for direction in self.directions for name in direction)
        return HostFeatures(list(names), "ZeroShotRetrieval")

    def score(self, pl_module: LightningModule, chosen: RetrievalSet, rows: Rows) -> Table:
        """Return recalls and ranks by direction."""
        features, size = rows.features, chosen.complete_size
        if self.average_by_title:
            features, size = _averaged(chosen, rows, pl_module.device)
        if self.similarity == "cosine":
            features = {name: F.normalize(feature, dim=1) for name, feature in features.items()}
        scores: Table = {}
        for direction in self.directions:
            ranks = pair_ranks(features[direction.query], features[direction.gallery], pl_module.device)
            listed = self.ties == "listed"
            found = listed_ties_scores(ranks, size) if listed else retrieval_scores(ranks.averaged, size)
            scores[direction.tag] = found
        return scores

    def shown(self, metrics: dict[str, float]) -> dict[str, float]:
        """Return the columns of the tables in papers."""
        recalls = {name.replace("recall", "R"): 100 * metrics[name] for name in _LOGGED if "recall" in name}
        middle = {"MedR": metrics["median_rank"], "MeanR": metrics["mean_rank"]}
        return recalls | middle | {"GeoMean": 100 * geometric_mean_recall(metrics)}


def _averaged(chosen: RetrievalSet, rows: Rows, device: torch.device) -> tuple[dict[str, Tensor], int]:
    """Return the mean features of each title, on ``device``, and the number of titles of a complete set."""
    titles = [chosen.title(row) for row in range(len(chosen))]
    numbers = {title: number for number, title in enumerate(sorted(set(titles)))}
    of_row = torch.tensor([numbers[title] for title in titles])
    ids = of_row[rows.ids].to(device)
    means = {name: mean_by_id(feature.to(device), ids)[0] for name, feature in rows.features.items()}
    return means, len(numbers) + chosen.complete_size - len(chosen)
