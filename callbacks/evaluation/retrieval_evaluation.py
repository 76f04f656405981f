"""Retrieval: whether a held-out sample finds training samples of its class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from lightning import LightningModule, Trainer

from callbacks.evaluation.bank_evaluation import BankEvaluation
from callbacks.evaluation.held_out_evaluation import class_of_each
from callbacks.evaluation.retrieval_features import PooledFeatures, RetrievalFeatures
from callbacks.shared.feature_collection import Rows
from callbacks.shared.reports import print_tables
from unlabelled.batch import Batch, Features
from unlabelled.metrics import centred, cosine_pair, euclidean_pair, recall_at_k, sharded_top_k

_PAIRS = {"cosine": cosine_pair, "euclidean": euclidean_pair}


class RetrievalEvaluation(BankEvaluation):
    """Search the labelled training samples for each held-out sample: R@k, logged as ``test/recall@1``.

    R@k is the share of held-out samples with at least one sample of their class among the k nearest. Features
    of several modalities are searched separately and logged with the suffix ``_<modality>``. ``test`` prints
    a table.

    Args:
        k: Numbers of neighbours.
        features: Features to compare, or a list with one entry per modality; ``null``: pooled features of
            ``video``.
        centre: First subtract from queries and from the bank their own mean, as in
            juliendenize/eztorch, run/retrieval_from_bank.py.
        distance: ``cosine`` or ``euclidean``.
        every_n_epochs: Validations of ``fit`` that do this; ``null``: none.

    Raises:
        ValueError: A number out of range, or several features of one modality.

    Source: SCE section 4.2.2 and Table 19; docs/methods/sce.md#video-retrieval. The variant of SeLaVi
    (appendix A.7) is ``MaxPooledMaps`` without centring.
    """

    def __init__(
        self,
        k: Sequence[int] = (1, 5, 10),
        features: RetrievalFeatures | list[RetrievalFeatures] | None = None,
        centre: bool = True,
        distance: Literal["cosine", "euclidean"] = "cosine",
        every_n_epochs: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs)
        if not k or min(k) < 1:
            raise ValueError(f"RetrievalEvaluation: k={list(k)}; expected numbers of neighbours, at least 1")
        if distance not in _PAIRS:
            raise ValueError(
                f"RetrievalEvaluation: distance={distance!r}; expected one of {', '.join(_PAIRS)}"
            )
        self.ks = sorted(k)
        self.features = _by_modality(features if features is not None else PooledFeatures())
        self.centre, self.distance = centre, distance

    def extract(self, pl_module: LightningModule, batch: Batch, pooled: Features | None) -> Features:
        """Return what is compared, ``{modality: (B, D)}``."""
        return {name: each.extract(pl_module, batch, pooled) for name, each in self.features.items()}

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Log; print after a test."""
        table = {name: self._recalls(bank, queries, name) for name in self.features}
        for modality, recalls in table.items():
            suffix = f"_{modality}" if len(table) > 1 else ""
            for name, value in recalls.items():
                pl_module.log(f"{stage}/{name}{suffix}", value, sync_dist=True)
        if stage == "test":
            print_tables(trainer, {"retrieval": table}, "test/retrieval")

    def _recalls(self, bank: Rows, queries: Rows, modality: str) -> dict[str, float]:
        targets, labels = (class_of_each(rows, "RetrievalEvaluation") for rows in (queries, bank))
        asked, searched = (rows.features[modality] for rows in (queries, bank))
        if self.centre:
            asked, searched = centred(asked), centred(searched)
        near = sharded_top_k(*_PAIRS[self.distance](asked, searched), labels, bank.ids, self.ks[-1])
        return {f"recall@{k}": value for k, value in recall_at_k(near.labels, targets, self.ks).items()}


def _by_modality(features: RetrievalFeatures | list[RetrievalFeatures]) -> dict[str, RetrievalFeatures]:
    listed = features if isinstance(features, list) else [features]
    found = {each.modality: each for each in listed}
    if len(found) != len(listed) or not found:
        names = ", ".join(each.modality for each in listed) or "nothing"
        raise ValueError(
            f"RetrievalEvaluation: got features of {names}; expected one, or a list with one per modality"
        )
    return found
