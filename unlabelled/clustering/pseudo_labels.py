"""The table of pseudo-labels that every rank holds and no ``state_dict`` contains."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_

UNLABELLED = -1
"""Label of a sample that no pass has clustered yet; the losses ignore it."""


class PseudoLabels:
    """Pseudo-labels of all training samples for every clustering, on the CPU.

    Not a buffer: the table depends on the data set, would stop a checkpoint from loading on other data, and
    DDP would broadcast it at each step although all ranks hold the same.

    Attributes:
        table: ``(samples, clusterings)`` int64; :data:`UNLABELLED` before the first pass.
    """

    def __init__(self, num_clusterings: int) -> None:
        self.table = torch.empty(0, num_clusterings, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.table)

    def allocate(self, num_samples: int) -> None:
        """Make room for a training set; a table of the right size (a resumed run's) is kept."""
        if len(self.table) != num_samples:
            shape = (num_samples, self.table.shape[1])
            self.table = torch.full(shape, UNLABELLED, dtype=torch.int64)

    def lookup(self, index: Tensor) -> Tensor:
        """Return the labels ``(batch, clusterings)`` of rows ``index (batch,)``, on the index's device."""
        return self.table[index.cpu()].to(index.device, non_blocking=True)

    def balance(self, index: Tensor) -> Tensor:
        """Return weights ``(batch, clusterings)`` of rows that make all clusters of a clustering equal.

        ``n / (clusters with members * members of the row's cluster)``, with n the labelled rows: 1 on the
        average over the data set. In expectation the same as drawing clusters uniformly and rows within
        them, as DeepCluster does (facebookresearch/deepcluster, util.py; docs/methods/selavi.md#deepcluster).
        0 for rows without a label.
        """
        weights = []
        for column in self.table.T:
            sizes = torch.bincount(column - UNLABELLED)  # first: how many are without a label
            clusters = int((sizes[1:] > 0).sum())
            labels = column[index.cpu()]
            share = (len(column) - int(sizes[0])) / (max(clusters, 1) * sizes[labels - UNLABELLED])
            weights.append(share.where(labels != UNLABELLED, 0.0))
        return torch.stack(weights, 1).float().to(index.device, non_blocking=True)

    def forget(self, head: int) -> None:
        """Take the labels of clustering ``which`` from all rows."""
        self.table[:, head] = UNLABELLED

    def publish(self, head: int, index: Tensor, labels: Tensor) -> None:
        """Write this rank's ``labels (n,)`` of rows ``index (n,)`` in clustering ``which``, and all others'.

        Rows that no rank clustered (unreadable just now) keep the label they have.
        """
        column = torch.full((len(self.table),), UNLABELLED, dtype=torch.int64, device=labels.device)
        column[index.to(labels.device)] = labels
        all_reduce_max_(column)
        column = column.cpu()
        self.table[:, head] = torch.where(column == UNLABELLED, self.table[:, head], column)
