"""Anchor scores of evaluated samples, a bounded number of them, brought together from all ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from callbacks.shared.batches import not_replaced
from unlabelled.batch import Batch
from unlabelled.contracts import AssignsAnchors
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.distributed import all_reduce_sum_, gather_rows


@dataclass(frozen=True)
class AnchorRows:
    """Samples of one evaluation set, of all ranks, in the set's order, on the CPU.

    Attributes:
        index: ``(n,)``, rows of the set.
        labels: ``(n,)``, -1 where there is none.
        scores: ``{modality: (n, K)}`` float32.
        present: ``{modality: (n,)}``: whether the sample has anything of the modality.
        codes: ``{modality: (n, K)}`` soft codes, zeros where it is not present; empty if not asked for.
    """

    index: Tensor
    labels: Tensor
    scores: dict[str, Tensor]
    present: dict[str, Tensor]
    codes: dict[str, Tensor]


class AnchorCollection:
    """Gathers the scores of one evaluation set, batch by batch: evenly spread rows, at most ``max_samples``.

    Which rows is a matter of the set's size alone, not of batches or ranks. Stand-ins for unreadable samples
    are left out.
    """

    def __init__(self, evaluation_set: EvaluationSet, max_samples: int) -> None:
        self.evaluation_set = evaluation_set
        self._every = max(1, math.ceil(len(evaluation_set) / max_samples))
        self._parts: list[tuple[Tensor, Tensor]] = []
        self._scores: dict[str, list[Tensor]] = {}
        self._present: dict[str, list[Tensor]] = {}

    def add(self, batch: Batch, scores: dict[str, Tensor]) -> None:
        """Append the chosen samples of a batch."""
        keep = not_replaced(batch) & (batch["index"] % self._every == 0)
        self._parts.append((batch["index"][keep], batch["label"][keep].long()))
        for name, score in scores.items():
            self._scores.setdefault(name, []).append(score[keep].detach().float())
            self._present.setdefault(name, []).append(_has(batch, name)[keep])

    def finish(self, module: AssignsAnchors, assign: bool) -> AnchorRows | None:
        """Return all ranks' rows to all ranks; None if none was chosen.

        Args:
            module: Assigns the anchors, balanced over all ranks' samples that have the modality.
            assign: Whether codes are wanted.

        Raises:
            ValueError: This rank had no batch.
        """
        if not self._parts:
            name = self.evaluation_set.name
            raise ValueError(f"anchors: a process has no samples of {name}; use fewer processes than samples")
        index, labels = (torch.cat(part) for part in zip(*self._parts, strict=True))
        scores = {name: torch.cat(parts) for name, parts in self._scores.items()}
        present = {name: torch.cat(parts) for name, parts in self._present.items()}
        codes = {name: _codes(module, scores[name], present[name]) for name in scores} if assign else {}
        everywhere = gather_rows(index)
        order = everywhere.argsort()
        if len(order) == 0:
            return None
        groups = [
            {name: gather_rows(v)[order].cpu() for name, v in g.items()} for g in (scores, present, codes)
        ]
        return AnchorRows(everywhere[order].cpu(), gather_rows(labels)[order].cpu(), *groups)


def _has(batch: Batch, modality: str) -> Tensor:
    """Return the mask ``(B,)`` of samples that have anything of a modality; all where nothing is masked."""
    mask: Any = batch.get(f"{modality}_mask")
    if mask is None:
        return torch.ones_like(batch["index"], dtype=torch.bool)
    return mask.flatten(1).any(1)  # type: ignore[no-any-return]


def _codes(module: AssignsAnchors, scores: Tensor, present: Tensor) -> Tensor:
    codes = torch.zeros_like(scores)
    if int(all_reduce_sum_(present.sum())) > 0:
        codes[present] = module.assign_anchors(scores[present]).to(codes.dtype)
    return codes
