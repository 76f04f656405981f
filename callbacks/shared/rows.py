"""Tensors of samples, collected batch by batch on each rank, and brought together from all ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.shared.batches import frozen_state, iterate_batches, not_replaced
from unlabelled.batch import Batch, Features
from unlabelled.distributed import all_reduce_sum_, gather_rows, rank

NO_LABEL = -1
INDEX, LABEL = "index", "label"
_PIECE = 4096  # rows of each rank in one message


@dataclass(frozen=True)
class Rows:
    """Tensors of n samples, of one rank or of all.

    Attributes:
        columns: ``(n, ...)`` by name: ``index (n,)`` int64, the rows of the samples in their data set; where
            the batches have labels, ``label`` int64, ``(n,)`` or, with several labels per sample, ``(n, C)``;
            and others, such as the features of each modality.
        left_out: Number of samples that are not among the rows, such as those that could not be read.
    """

    columns: dict[str, Tensor]
    left_out: int

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def index(self) -> Tensor:
        """Row ``(n,)`` of each sample in the data set."""
        return self.columns[INDEX]

    @property
    def labels(self) -> Tensor:
        """Label ``(n,)``, or ``(n, C)``, of each sample; :data:`NO_LABEL` where there is none."""
        return self.columns[LABEL]

    @property
    def features(self) -> Features:
        """All columns but the index and the label."""
        return {name: column for name, column in self.columns.items() if name not in (INDEX, LABEL)}

    def where(self, keep: Tensor) -> Rows:
        """Return the rows of a mask ``(n,)``, or those of a list of positions in its order."""
        return Rows({name: column[keep] for name, column in self.columns.items()}, self.left_out)

    def labelled(self) -> Rows:
        """Return the rows with a label."""
        known = self.labels != NO_LABEL
        return self.where(known if known.ndim == 1 else known.any(1))

    def to(self, device: torch.device) -> Rows:
        """Move the rows to a device."""
        return Rows({name: column.to(device) for name, column in self.columns.items()}, self.left_out)

    def features_of(self, modality: str | None) -> Features:
        """Return the features of one modality, or of all for None.

        Raises:
            ValueError: There are no features of this modality.
        """
        features = self.features
        if modality is None:
            return features
        if modality not in features:
            raise ValueError(f"there are no features of modality {modality!r}, only of {', '.join(features)}")
        return {modality: features[modality]}


class RowCollection:
    """Tensors of samples by name, collected batch by batch. Replaced samples are left out and counted.

    Args:
        owner: Name of the callback or pass, for messages.
        device: Device of the rows; None: that of the batches.

    Attributes:
        left_out: Number of other samples that were left out, which :meth:`finish` adds.

    >>> batch = {"index": torch.tensor([4, 7]), "label": torch.tensor([0, 1])}
    >>> collection = RowCollection("example")
    >>> collection.add({**batch, "replaced": torch.tensor([-1, 2])}, {"audio": torch.zeros(2, 3)})
    >>> rows = collection.finish()
    >>> rows.index.tolist(), rows.columns["audio"].shape, rows.left_out
    ([4], torch.Size([1, 3]), 1)
    """

    def __init__(self, owner: str, device: torch.device | None = None) -> None:
        self.owner, self.device = owner, device
        self.left_out = 0
        self._parts: dict[str, list[Tensor]] = {}
        self._keep: list[Tensor] = []  # masks; to apply them in a training step would wait for the device

    @property
    def is_empty(self) -> bool:
        """True before a batch is added, and after :meth:`finish`."""
        return not self._parts

    def add(self, batch: Batch, columns: Mapping[str, Tensor], keep: Tensor | None = None) -> None:
        """Append samples of a batch with their index and label; count the others as left out.

        Args:
            batch: The batch.
            columns: ``(B, ...)`` by name.
            keep: Mask ``(B,)`` of the samples; None: those that were not replaced.
        """
        keep = not_replaced(batch) if keep is None else keep
        columns = {INDEX: batch[INDEX], **columns}
        if LABEL in batch:
            columns[LABEL] = batch[LABEL].long()
        self.append(columns, keep)

    def append(self, columns: Mapping[str, Tensor], keep: Tensor | None = None) -> None:
        """Append rows, ``(n, ...)`` by name; those without ``keep (n,)`` are left out at the end."""
        for name, column in columns.items():
            self._parts.setdefault(name, []).append(column.detach().to(self.device))
        if keep is None:
            first = next(iter(columns.values()))
            keep = torch.ones(len(first), dtype=torch.bool, device=first.device)
        self._keep.append(keep.to(self.device))

    def leave_out(self, number: int, if_true: Tensor) -> None:
        """Leave out all rows of the last batches if ``if_true``, boolean ``()``; it is not read on the host.

        Args:
            number: How many batches.
            if_true: The flag.
        """
        self._keep[-number:] = [keep & ~if_true.to(keep.device) for keep in self._keep[-number:]]

    def finish(self) -> Rows:
        """Return all rows, and remove them from the collection.

        Raises:
            ValueError: No batch was added on this rank.
        """
        if not self._parts:
            raise ValueError(
                f"{self.owner}: a process has no samples; use fewer processes than there are samples"
            )
        # One column after the other, so that parts and whole of only one are in memory together.
        keep = torch.cat(self._keep)
        rows = None if bool(keep.all()) else keep.nonzero().squeeze(1)
        columns = {name: _kept(torch.cat(self._parts.pop(name)), rows) for name in list(self._parts)}
        left_out = self.left_out + len(keep) - (len(keep) if rows is None else len(rows))
        self.left_out, self._keep = 0, []
        return Rows(columns, left_out)


def _kept(column: Tensor, rows: Tensor | None) -> Tensor:
    return column if rows is None else column[rows]


def collect_features(
    trainer: Trainer,
    module: LightningModule,
    loader: DataLoader[Any],
    extract: Callable[[Batch], Features],
    title: str,
) -> Rows:
    """Return what ``extract`` computes in evaluation mode for each batch of a loader, as float32."""
    collection = RowCollection(title)
    with frozen_state(module):
        for batch in iterate_batches(trainer, module, loader, title):
            collection.add(batch, as_float32(extract(batch)))
    return collection.finish()


def as_float32(features: Features) -> Features:
    """Convert features to float32."""
    return {name: feature.float() for name, feature in features.items()}


def gather(rows: Rows) -> Rows:
    """Return the rows of all ranks in the order of the data set, on each rank."""
    columns = {name: gather_rows(column) for name, column in rows.columns.items()}
    left_out = int(all_reduce_sum_(torch.tensor(rows.left_out, device=rows.index.device)))
    return Rows(columns, left_out).where(columns[INDEX].argsort())


def on_first_rank(rows: Rows) -> Rows | None:
    """Return the rows of all ranks in the order of the data set, on the CPU of rank 0; None on other ranks.

    Rank 0 must have memory for all of them: N * D * 4 bytes per modality, 0.6 GB for 10 000 videos with
    16 384 features.
    """
    columns = {name: _on_first_rank(column) for name, column in rows.columns.items()}
    left_out = int(gather_rows(torch.tensor([rows.left_out], device=rows.index.device)).sum())
    if rank() > 0:
        return None
    return Rows(columns, left_out).where(columns[INDEX].argsort())


def _on_first_rank(tensor: Tensor) -> Tensor:
    kept = [piece.cpu() for piece in gathered_pieces(tensor) if rank() == 0]
    return torch.cat(kept) if kept else tensor[:0].cpu()


def gathered_pieces(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the rows of ``tensor (n, ...)`` of all ranks on each rank, some thousand of each rank at a time.

    Tensors of equal length are yielded in the same order. All ranks must exhaust the iterator.
    """
    longest = int(gather_rows(torch.tensor([len(tensor)], device=tensor.device)).max())
    for start in range(0, longest, _PIECE):
        yield gather_rows(tensor[start : start + _PIECE])
