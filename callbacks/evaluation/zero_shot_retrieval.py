"""Zero-shot retrieval of the video of a text in a set of videos, and of the text of a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from lightning import LightningModule, Trainer
from torch import Tensor

from callbacks.evaluation.set_evaluation import SetEvaluation
from callbacks.shared.rows import Rows
from callbacks.shared.set_features import SelectedFeatures, parse_direction
from callbacks.shared.tables import Table
from unlabelled.data.datasets.evaluation_sets import RetrievalSet
from unlabelled.metrics import (
    geometric_mean_recall,
    listed_ties_scores,
    mean_by_id,
    pair_ranks,
    retrieval_scores,
)


class ZeroShotRetrieval(SetEvaluation[RetrievalSet]):
    """Search each retrieval set in one or several directions, the protocol of EAO and SSPC.

    Logs for each set and direction ``val/msrvtt/text_to_video+audio/recall@1`` (5, 10, 50), as fractions, and
    ``median_rank`` and ``mean_rank``, where the best rank is 1. The table of ``test`` has recalls in percent
    and the geometric mean of R@1, R@5 and R@10, as in papers. Pairs that are missing or could not be read
    count as misses of R@k; the median and the mean rank are over the other pairs.

    Args:
        directions: ``<query>-><gallery>`` with the names of the method's features; ``video+audio`` is its
            feature of both.
        similarity: ``cosine``, or ``dot``, the dot product of the features (MCN).
        average_by_title: First average the features of all rows of one title, as the released code does with
            the clips of an item; otherwise each row is a pair of its own.
        ties: Rank of the correct item among items of equal similarity: ``averaged``, the mean of their ranks
            (EAO, SSPC); or ``listed``, each of their ranks (MCN, AVLnet; recalls can exceed 1).
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none. To select a checkpoint
            by a recall, validate with the same interval.
        before_training: Also score the untrained network on the validation sets, at the start of ``fit``;
            checkpoints contain the scores, and ``test`` prints them too.

    Raises:
        ValueError: An argument is out of its range, a direction cannot be parsed, or features are not finite.
        MisconfigurationException: The method has no features with a name.

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
            raise ValueError("ZeroShotRetrieval: directions is empty; expected at least one")
        if similarity not in ("cosine", "dot"):
            raise ValueError(f"ZeroShotRetrieval: similarity={similarity!r}; expected cosine or dot")
        self.directions = [parse_direction(each, "ZeroShotRetrieval") for each in directions]
        if ties not in ("averaged", "listed"):
            raise ValueError(f"ZeroShotRetrieval: ties={ties!r}; expected averaged or listed")
        self.similarity, self.average_by_title, self.ties = similarity, average_by_title, ties

    @property
    def state_key(self) -> str:
        """Key that differs between callbacks of this class with different options."""
        return self._generate_state_key(
            directions=[str(each) for each in self.directions], similarity=self.similarity
        )

    def start(
        self, trainer: Trainer, pl_module: LightningModule, evaluation_set: RetrievalSet
    ) -> SelectedFeatures:
        """Return an empty collection of the features of all directions."""
        names = dict.fromkeys(name for direction in self.directions for name in direction)
        return SelectedFeatures(list(names), "ZeroShotRetrieval")

    def score(self, pl_module: LightningModule, evaluation_set: RetrievalSet, rows: Rows) -> Table:
        """Return recalls and ranks by direction."""
        features, size = rows.features, evaluation_set.complete_size
        if self.average_by_title:
            features, size = _averaged(evaluation_set, rows, pl_module.device)
        if self.similarity == "cosine":
            features = {name: F.normalize(feature, dim=1) for name, feature in features.items()}
        scores: Table = {}
        for direction in self.directions:
            ranks = pair_ranks(features[direction.query], features[direction.gallery], pl_module.device)
            listed = self.ties == "listed"
            scores[direction.tag] = (
                listed_ties_scores(ranks, size) if listed else retrieval_scores(ranks.averaged, size)
            )
        return scores

    def columns(self, metrics: dict[str, float]) -> dict[str, float]:
        """Return the columns of the tables in papers."""
        recalls = {f"R@{k}": 100 * metrics[f"recall@{k}"] for k in (1, 5, 10, 50)}
        ranks = {"MedR": metrics["median_rank"], "MeanR": metrics["mean_rank"]}
        return recalls | ranks | {"GeoMean": 100 * geometric_mean_recall(metrics)}


def _averaged(
    evaluation_set: RetrievalSet, rows: Rows, device: torch.device
) -> tuple[dict[str, Tensor], int]:
    """Return the mean features of each title, on ``device``, and the number of titles of the complete set."""
    titles = [evaluation_set.title(row) for row in range(len(evaluation_set))]
    numbers = {title: number for number, title in enumerate(sorted(set(titles)))}
    of_row = torch.tensor([numbers[title] for title in titles])
    ids = of_row[rows.index].to(device)
    means = {name: mean_by_id(feature.to(device), ids)[0] for name, feature in rows.features.items()}
    return means, len(numbers) + evaluation_set.complete_size - len(evaluation_set)
