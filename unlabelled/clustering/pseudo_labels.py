"""The table of pseudo-labels; each rank holds all of it, and no ``state_dict`` contains it."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_

UNLABELLED = -1
"""Label of a sample that no pass has clustered yet; the losses ignore it."""


class PseudoLabels:
    """Pseudo-labels of all training samples for each head, on the CPU.

    They are not a buffer: the size depends on the data set, so a checkpoint could not be loaded with other
    data, and DDP would broadcast them in each step although they are equal on all ranks.

    Attributes:
        table: ``(samples, heads)`` int64; :data:`UNLABELLED` before the first pass.
    """

    def __init__(self, num_clusterings: int) -> None:
        self.table = torch.empty(0, num_clusterings, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.table)

    def allocate(self, num_samples: int) -> None:
        """Allocate the table of a training set; a table of the right size (of a resumed run) is kept."""
        if len(self.table) != num_samples:
            shape = (num_samples, self.table.shape[1])
            self.table = torch.full(shape, UNLABELLED, dtype=torch.int64)

    def lookup(self, index: Tensor) -> Tensor:
        """Return the labels ``(batch, heads)`` of rows ``index (batch,)``, on the index's device."""
        return self.table[index.cpu()].to(index.device, non_blocking=True)

    def balance(self, index: Tensor) -> Tensor:
        """Return weights ``(batch, heads)`` of rows with which all clusters of a head have equal weight.

        A weight is ``n / (number of non-empty clusters * members of the row's cluster)``, where n is the
        number of labelled rows; its mean over them is 1. In expectation this equals drawing clusters
        uniformly and rows within them, as DeepCluster does (facebookresearch/deepcluster, util.py;
        docs/methods/selavi.md#deepcluster). 0 for rows without a label.
        """
        weights = []
        for column in self.table.T:
            sizes = torch.bincount(column - UNLABELLED)  # the first entry counts rows without a label
            clusters = int((sizes[1:] > 0).sum())
            labels = column[index.cpu()]
            share = (len(column) - int(sizes[0])) / (max(clusters, 1) * sizes[labels - UNLABELLED])
            weights.append(share.where(labels != UNLABELLED, 0.0))
        return torch.stack(weights, 1).float().to(index.device, non_blocking=True)

    def forget(self, head: int) -> None:
        """Remove the labels of a head from all rows."""
        self.table[:, head] = UNLABELLED

    def publish(self, head: int, index: Tensor, labels: Tensor) -> None:
        """Write the new labels of a head, this rank's and those of the other ranks.

        Rows that no rank has clustered (unreadable samples) keep their label.

        Args:
            head: Index of the head.
            index: ``(n,)`` rows of this rank's samples.
            labels: ``(n,)`` their clusters.
        """
        column = torch.full((len(self.table),), UNLABELLED, dtype=torch.int64, device=labels.device)
        column[index.to(labels.device)] = labels
        all_reduce_max_(column)
        column = column.cpu()
        self.table[:, head] = torch.where(column == UNLABELLED, self.table[:, head], column)
