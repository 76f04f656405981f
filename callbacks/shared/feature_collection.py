"""Features of labelled samples, each rank with its own, and ways to bring them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.shared.batches import frozen_state, iterate_batches, not_replaced
from unlabelled.batch import Batch, Features
from unlabelled.distributed import gather_rows, rank

NO_LABEL = -1
_PIECE = 4096  # rows of each rank that travel at a time


@dataclass(frozen=True)
class Rows:
    """One rank's samples.

    Attributes:
        features: ``{modality: (n, D)}`` float32.
        labels: ``(n,)`` or, with several labels per sample, ``(n, C)`` int64.
        ids: ``(n,)``, the samples' rows in the data set.
        replaced: Samples of this rank that could not be read; they are not among the rows.
    """

    features: Features
    labels: Tensor
    ids: Tensor
    replaced: int

    def __len__(self) -> int:
        return len(self.ids)

    def where(self, keep: Tensor) -> Rows:
        """Return the rows where ``keep (n,)`` holds, or in the order that it lists."""
        features = {name: feature[keep] for name, feature in self.features.items()}
        return Rows(features, self.labels[keep], self.ids[keep], self.replaced)

    def labelled(self) -> Rows:
        """Return the rows with a label."""
        known = self.labels != NO_LABEL
        return self.where(known if known.ndim == 1 else known.any(1))

    def of(self, modality: str | None) -> Features:
        """Return the features of one modality, or of all for None.

        Raises:
            ValueError: There is no such modality.
        """
        if modality is None:
            return self.features
        if modality not in self.features:
            raise ValueError(
                f"there are no features of modality {modality!r}, only of {', '.join(self.features)}"
            )
        return {modality: self.features[modality]}


class FeatureCollection:
    """Gathers rows batch by batch; stand-ins for unreadable samples are left out and counted."""

    def __init__(self) -> None:
        self._features: list[Features] = []
        self._labels: list[Tensor] = []
        self._ids: list[Tensor] = []
        self._replaced = 0

    def add(self, batch: Batch, features: Features) -> None:
        """Append the samples of a batch."""
        keep = not_replaced(batch)
        self._features.append({name: feature[keep].detach().float() for name, feature in features.items()})
        self._labels.append(batch["label"][keep].long())
        self._ids.append(batch["index"][keep])
        self._replaced += int((~keep).sum())

    def finish(self) -> Rows:
        """Return all rows.

        Raises:
            ValueError: This rank had no batch.
        """
        if not self._features:
            raise ValueError("evaluation: a process has no samples; use fewer processes than samples")
        names = list(self._features[0])
        features = {name: torch.cat([part[name] for part in self._features]) for name in names}
        return Rows(features, torch.cat(self._labels), torch.cat(self._ids), self._replaced)


def collect(
    trainer: Trainer,
    module: LightningModule,
    loader: DataLoader[Any],
    extract: Callable[[Batch], Features],
    title: str,
) -> Rows:
    """Go once over ``loader`` in evaluation mode and return what ``extract`` makes of each batch."""
    rows = FeatureCollection()
    with frozen_state(module):
        for batch in iterate_batches(trainer, module, loader, title):
            rows.add(batch, extract(batch))
    return rows.finish()


def gathered_pieces(tensor: Tensor) -> Iterator[Tensor]:
    """Yield all ranks' rows of ``tensor (n, ...)``, a few thousand of each rank at a time, to every rank.

    Tensors of as many rows come in the same order. To be exhausted on all ranks.
    """
    longest = int(gather_rows(torch.tensor([len(tensor)], device=tensor.device)).max())
    for start in range(0, longest, _PIECE):
        yield gather_rows(tensor[start : start + _PIECE])


def on_first_rank(rows: Rows) -> Rows | None:
    """Return all ranks' rows in the data set's order, on the CPU, to rank 0; None to the others.

    Rank 0 must have room for all of them: N * D * 4 bytes per modality, 0.6 GB for 10 000 videos of 16 384
    features.
    """
    features = {name: _on_first_rank(feature) for name, feature in rows.features.items()}
    labels, ids = _on_first_rank(rows.labels), _on_first_rank(rows.ids)
    replaced = int(gather_rows(torch.tensor([rows.replaced], device=rows.ids.device)).sum())
    if rank() > 0:
        return None
    return Rows(features, labels, ids, replaced).where(ids.argsort())


def _on_first_rank(tensor: Tensor) -> Tensor:
    kept = [piece.cpu() for piece in gathered_pieces(tensor) if rank() == 0]
    return torch.cat(kept) if kept else tensor[:0].cpu()
