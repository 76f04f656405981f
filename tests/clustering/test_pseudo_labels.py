"""The table of pseudo-labels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from unlabelled.clustering.pseudo_labels import UNLABELLED, PseudoLabels
from unlabelled.losses import multi_head_cross_entropy


def test_rows_that_no_rank_clusters_keep_their_label() -> None:
    labels = PseudoLabels(num_clusterings=2)
    labels.allocate(5)
    assert (labels.table == UNLABELLED).all()
    labels.publish(1, torch.tensor([3, 0, 4]), torch.tensor([7, 8, 9]))
    assert labels.table[:, 1].tolist() == [8, UNLABELLED, UNLABELLED, 7, 9]
    labels.publish(1, torch.tensor([0, 1]), torch.tensor([2, 0]))
    assert labels.table[:, 1].tolist() == [2, 0, UNLABELLED, 7, 9]
    assert (labels.table[:, 0] == UNLABELLED).all()
    assert labels.lookup(torch.tensor([4, 0])).tolist() == [[UNLABELLED, 9], [UNLABELLED, 2]]


def test_one_clustering_is_forgotten() -> None:
    labels = PseudoLabels(2)
    labels.table = torch.tensor([[1, 2], [3, 4]])
    labels.forget(0)
    assert labels.table.tolist() == [[UNLABELLED, 2], [UNLABELLED, 4]]


def test_a_resumed_table_of_the_right_size_is_kept() -> None:
    labels = PseudoLabels(1)
    labels.table = torch.tensor([[1], [2]])
    labels.allocate(2)
    assert labels.table.tolist() == [[1], [2]]
    labels.allocate(3)
    assert labels.table.tolist() == [[UNLABELLED]] * 3


def _drawn_by_the_released_sampler(labels: list[int], generator: torch.Generator) -> torch.Tensor:
    """Count each row in an epoch of the sampler of facebookresearch/deepcluster, util.py."""
    clusters = [
        [row for row, label in enumerate(labels) if label == one] for one in sorted(set(labels) - {-1})
    ]
    rows = sum(map(len, clusters))
    per_cluster = rows // len(clusters) + 1
    drawn = []
    for members in clusters:
        if len(members) <= per_cluster:
            choice = torch.randint(len(members), (per_cluster,), generator=generator)
        else:
            choice = torch.randperm(len(members), generator=generator)[:per_cluster]
        drawn += [members[place] for place in choice.tolist()]
    kept = torch.tensor(drawn)[torch.randperm(len(drawn), generator=generator)][:rows]
    return torch.bincount(kept, minlength=len(labels)).double()


def test_weights_are_what_drawing_clusters_uniformly_comes_to() -> None:
    columns = [[0, 0, 0, 0, 0, 0, 0, 2, 2, 5], [1, 1, -1, 0, 0, 0, 0, -1, 0, 0]]
    labels = PseudoLabels(2)
    labels.table = torch.tensor(columns).T.contiguous()
    weights = labels.balance(torch.arange(10))
    assert weights.shape == (10, 2)
    for head, column in enumerate(columns):
        generator = torch.Generator().manual_seed(head)
        epochs = [_drawn_by_the_released_sampler(column, generator) for _ in range(4000)]
        torch.testing.assert_close(weights[:, head].double(), sum(epochs) / 4000, atol=0.06, rtol=0.03)


@given(st.lists(st.integers(-1, 4), min_size=1, max_size=30))
def test_clusters_have_equal_weights_and_samples_mean_weight_1(column: list[int]) -> None:
    labels = PseudoLabels(1)
    labels.table = torch.tensor(column)[:, None]
    (weights,) = labels.balance(torch.arange(len(column))).double().T
    known = labels.table[:, 0] != UNLABELLED
    assert (weights[~known] == 0).all()
    if known.any():
        assert weights[known].mean().item() == pytest.approx(1, abs=1e-6)
        totals = [weights[labels.table[:, 0] == one].sum().item() for one in set(column) - {-1}]
        assert totals == pytest.approx([totals[0]] * len(totals), rel=1e-6)


def test_a_weighted_loss_is_the_uniform_samplers_on_the_average() -> None:
    """Expectation over single rows, by brute force: the mean over clusters of their members' mean."""
    torch.manual_seed(0)
    labels = PseudoLabels(1)
    labels.table = torch.tensor([0, 0, 0, 1, 3, 3])[:, None]
    logits = torch.randn(6, 1, 4, dtype=torch.float64)
    single = [
        multi_head_cross_entropy(
            logits[row : row + 1], labels.table[row : row + 1].long(), labels.balance(torch.tensor([row]))
        )
        for row in range(6)
    ]
    each = F.cross_entropy(logits[:, 0], labels.table[:, 0].long(), reduction="none")
    uniform = (each[:3].mean() + each[3] + each[4:].mean()) / 3
    torch.testing.assert_close(torch.cat(single).mean(), uniform)


def test_before_the_first_pass_all_weights_are_zero() -> None:
    labels = PseudoLabels(2)
    labels.allocate(3)
    assert labels.balance(torch.tensor([2, 0])).tolist() == [[0, 0], [0, 0]]
