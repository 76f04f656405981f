"""The SSPC loss of a batch, with codes assigned together with queue rows: codes, targets, terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from unlabelled.clustering import MultiAssignment
from unlabelled.losses import (
    NeededScores,
    StructureLoss,
    StructureTerm,
    min_max_targets,
    needed_codes,
    needed_predictions,
    raw_targets,
    structure_loss,
)
from unlabelled.losses.anchor_spaces import AnchorSpaces, Rows, Scores, codes_of_batch
from unlabelled.losses.structure import Logits

Targets = Literal["minmax", "raw"]


@dataclass(frozen=True)
class AnchorObjective:
    """The loss that trains the anchors.

    Args:
        terms: Terms of the loss.
        assignment: Makes the codes.
        targets: ``minmax``: codes stretched to 0 and 1 row by row, as in the released code; ``raw``.
        logits: ``exp``, as in the released code; ``scaled``.
        temperature: tau_b.
        masked: Use ``Rows.counted``: a term is then a mean over the rows that count for both of its
            modalities.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/loss/combinatorial_loss.py
    (AncSimilarityLoss); docs/methods/sspc.md#multi-sk and #sspc-loss.
    """

    terms: tuple[StructureTerm, ...]
    assignment: MultiAssignment
    targets: Targets = "minmax"
    logits: Logits = "exp"
    temperature: float = 0.1
    masked: bool = False

    def __call__(self, anchors: AnchorSpaces, batch: Rows, remembered: Rows) -> StructureLoss:
        """Return the loss of the batch.

        Args:
            anchors: Anchor banks of both spaces.
            batch: This rank's rows, with a gradient.
            remembered: This rank's share of the queue rows, among which the codes are balanced too.
        """
        wanted = needed_codes(self.terms)
        scores = anchors(batch, _either(wanted, needed_predictions(self.terms)))
        with torch.no_grad():
            old = anchors(remembered, wanted)
        codes = codes_of_batch(self.assignment, old, scores, remembered.counted, batch.counted)
        parts = [
            self._cost(scores, self._targets(codes), terms, weight)
            for terms, weight in self._terms_by_rows(batch)
        ]
        total = torch.stack([part.total for part in parts]).sum()
        return StructureLoss(total, {name: cost for part in parts for name, cost in part.terms.items()})

    def _cost(
        self, scores: Scores, targets: Scores, terms: Sequence[StructureTerm], weight: Tensor | None
    ) -> StructureLoss:
        return structure_loss(
            scores.inputs,
            scores.projected,
            targets.inputs,
            targets.projected,
            terms,
            self.temperature,
            self.logits,
            weight,
        )

    def _targets(self, codes: Scores) -> Scores:
        inputs = {key: self._target(code) for key, code in codes.inputs.items()}
        return Scores(inputs, {key: self._target(code) for key, code in codes.projected.items()})

    def _target(self, codes: Tensor) -> Tensor:
        if self.targets == "raw":
            return raw_targets(codes)
        return min_max_targets(codes, self.assignment.num_assigned(codes.shape[1]))

    def _terms_by_rows(self, batch: Rows) -> list[tuple[list[StructureTerm], Tensor | None]]:
        """Return the terms in groups, each with the mask ``(B,)`` of the rows of its mean; None: all rows."""
        if not self.masked:
            return [(list(self.terms), None)]
        groups: dict[frozenset[str], list[StructureTerm]] = {}
        for term in self.terms:
            groups.setdefault(frozenset((term.anchor, term.feature)), []).append(term)
        return [
            (terms, torch.stack([batch.counted[name] for name in names]).all(0))
            for names, terms in groups.items()
        ]


def _either(first: NeededScores, second: NeededScores) -> NeededScores:
    inputs = dict.fromkeys(first.inputs + second.inputs)
    return NeededScores(tuple(inputs), tuple(dict.fromkeys(first.projected + second.projected)))
