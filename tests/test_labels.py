"""The table of pseudo-labels."""

from __future__ import annotations

import torch

from unlabelled.labels import UNLABELLED, PseudoLabels


def test_rows_that_nobody_clusters_keep_their_label() -> None:
    labels = PseudoLabels(num_clusterings=2)
    labels.allocate(5)
    assert (labels.table == UNLABELLED).all()
    first = labels.publish(1, torch.tensor([3, 0, 4]), torch.tensor([7, 8, 9]))
    assert (first == UNLABELLED).all()
    previous = labels.publish(1, torch.tensor([0, 1]), torch.tensor([2, 0]))
    assert previous.tolist() == [8, UNLABELLED, UNLABELLED, 7, 9]
    assert labels.table[:, 1].tolist() == [2, 0, UNLABELLED, 7, 9]
    assert (labels.table[:, 0] == UNLABELLED).all()
    assert labels.lookup(torch.tensor([4, 0])).tolist() == [[UNLABELLED, 9], [UNLABELLED, 2]]


def test_a_resumed_table_of_the_right_size_is_kept() -> None:
    labels = PseudoLabels(1)
    labels.table = torch.tensor([[1], [2]])
    labels.allocate(2)
    assert labels.table.tolist() == [[1], [2]]
    labels.allocate(3)
    assert labels.table.tolist() == [[UNLABELLED]] * 3
