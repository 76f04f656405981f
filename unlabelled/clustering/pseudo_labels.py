"""The table of pseudo-labels; each rank holds all of it, and no ``state_dict`` contains it."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_

UNLABELLED = -1
"""Label of a sample that no pass has clustered yet; the losses ignore it."""


class PseudoLabels:
    """Pseudo-labels of all training samples for each head, on the CPU, and copies where they are looked up.

    They are not a buffer: the size depends on the data set, so a checkpoint could not be loaded with other
    data, and DDP would broadcast them in each step although they are equal on all ranks. A copy on a device,
    of four bytes per label, is made after a change, so that no step waits for the device.
    """

    def __init__(self, num_clusterings: int) -> None:
        self.table = torch.empty(0, num_clusterings, dtype=torch.int32)

    @property
    def table(self) -> Tensor:
        """``(samples, heads)`` int32, never changed in place; :data:`UNLABELLED` before the first pass.

        A table of int64, as in checkpoints of earlier versions, is converted.
        """
        return self._table

    @table.setter
    def table(self, table: Tensor) -> None:
        self._table = table.to(torch.int32)
        self._copies: dict[torch.device, Tensor] = {}
        self._weights: dict[torch.device, Tensor] = {}

    def __len__(self) -> int:
        return len(self.table)

    def allocate(self, num_samples: int) -> None:
        """Allocate the table of a training set; a table of the right size (of a resumed run) is kept."""
        if len(self.table) != num_samples:
            shape = (num_samples, self.table.shape[1])
            self.table = torch.full(shape, UNLABELLED, dtype=torch.int32)

    def lookup(self, index: Tensor) -> Tensor:
        """Return the labels ``(batch, heads)``, int64, of rows ``index (batch,)``, on the index's device."""
        if index.device.type == "cpu":
            return self.table[index].long()
        if index.device not in self._copies:
            self._copies[index.device] = self.table.to(index.device)
        return self._copies[index.device][index].long()

    def balance(self, index: Tensor) -> Tensor:
        """Return weights ``(batch, heads)`` of rows with which all clusters of a head have equal weight.

        A weight is ``n / (number of non-empty clusters * members of the row's cluster)``, where n is the
        number of labelled rows; its mean over them is 1. In expectation this equals drawing clusters
        uniformly and rows within them, as DeepCluster does (facebookresearch/deepcluster, util.py;
        docs/methods/selavi.md#deepcluster). 0 for rows without a label.
        """
        if index.device not in self._weights:
            self._weights[index.device] = self._cluster_weights().to(index.device)
        return self._weights[index.device].gather(0, self.lookup(index) - UNLABELLED)

    def _cluster_weights(self) -> Tensor:
        """Return the weight of the rows of each cluster ``(clusters + 1, heads)``, first that of no label."""
        num_sizes = int(self.table.max()) - UNLABELLED + 1 if len(self) else 1
        weights = torch.zeros(num_sizes, self.table.shape[1])
        for head, column in enumerate(self.table.T):
            sizes = torch.bincount(column - UNLABELLED, minlength=num_sizes)[1:]
            share = sizes.sum() / (max(int((sizes > 0).sum()), 1) * sizes)
            weights[1:, head] = share.where(sizes > 0, 0.0)
        return weights

    def forget(self, head: int) -> None:
        """Remove the labels of a head from all rows."""
        self._replace(head, torch.tensor(UNLABELLED))

    def publish(self, head: int, index: Tensor, labels: Tensor) -> None:
        """Write the new labels of a head, this rank's and those of the other ranks.

        Rows that no rank has clustered (unreadable samples) keep their label.

        Args:
            head: Index of the head.
            index: ``(n,)`` rows of this rank's samples.
            labels: ``(n,)`` their clusters.
        """
        column = torch.full((len(self.table),), UNLABELLED, dtype=torch.int32, device=labels.device)
        column[index.to(labels.device)] = labels.int()
        all_reduce_max_(column)
        column = column.cpu()
        self._replace(head, torch.where(column == UNLABELLED, self.table[:, head], column))

    def _replace(self, head: int, column: Tensor) -> None:
        table = self.table
        table[:, head] = column
        self.table = table
