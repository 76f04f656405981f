from __future__ import annotations

from itertools import pairwise, permutations

import pytest
import torch
from torch import Tensor, nn

from tests._helpers.clustering_examples import grid
from unlabelled.clustering import (
    ExactAlignment,
    GreedyAlignment,
    alignment_cost,
    exact_alignment,
    greedy_alignment,
)
from unlabelled.clustering.alignment import _switch_pairs


def example() -> tuple[Tensor, Tensor]:
    i, k = grid(8, 4)
    video = 2 * torch.sin(0.9 * i + 1.7 * k)
    audio = (video + 0.3 * torch.cos(i * k + 1))[:, [2, 0, 3, 1]]
    return video.softmax(1), audio.softmax(1)


def total(cost: Tensor, perm: Tensor) -> float:
    return float(cost[torch.arange(len(perm)), perm].sum())


def test_cost_of_the_worked_example() -> None:
    expected = [
        [2.891116, 0.177705, 2.010147, 3.131330],
        [3.064993, 3.173685, 3.833204, 0.119702],
        [0.192481, 3.183177, 2.233235, 3.051699],
        [2.275590, 2.023440, 0.271307, 3.726541],
    ]
    cost = alignment_cost(*example())
    torch.testing.assert_close(cost, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)
    assert total(cost, torch.arange(4)) == pytest.approx(12.024577, abs=1e-6)


@pytest.mark.parametrize("align", [ExactAlignment(), GreedyAlignment()])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_worked_example_is_solved(align: ExactAlignment | GreedyAlignment, seed: int) -> None:
    cost = alignment_cost(*example())
    perm = align(cost, seed)
    assert (perm.tolist(), perm.dtype) == ([1, 3, 0, 2], torch.int64)
    assert total(cost, perm) == pytest.approx(0.761194, abs=1e-6)


def test_sweeping_the_pairs_of_the_worked_example() -> None:
    table = alignment_cost(*example()).tolist()
    pairs = torch.combinations(torch.arange(4)).t().tolist()
    steps = [_switch_pairs(table, [pairs[0][:n], pairs[1][:n]], None) for n in range(7)]
    costs = [sum(table[k][p] for k, p in enumerate(perm)) for perm in steps]
    gains = [before - after for before, after in pairwise(costs)]
    assert gains == pytest.approx([2.822104, 0, 0, 1.272543, 7.168736, 0], abs=1e-6)
    assert steps[-1] == [1, 3, 0, 2]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("num_samples", [0, 1, 5000])
def test_cost_agrees_with_the_definition(num_samples: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = torch.randn(2, num_samples, 6, generator=generator, dtype=torch.float64).softmax(2)
    expected = (p[:, :, None] - q[:, None, :]).abs().sum(0)
    torch.testing.assert_close(alignment_cost(p.to(dtype), q.to(dtype)), expected, rtol=1e-5, atol=1e-9)


def test_exact_agrees_with_all_permutations() -> None:
    cost = torch.rand(6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    best = min(total(cost, torch.tensor(perm)) for perm in permutations(range(6)))
    assert total(cost, exact_alignment(cost)) == pytest.approx(best, abs=1e-12)


def test_greedy_is_between_exact_and_identity() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = torch.randn(2, 300, 40, generator=generator).softmax(2)
    cost = alignment_cost(p, q)
    identity, exact = total(cost, torch.arange(40)), total(cost, exact_alignment(cost))
    greedy = greedy_alignment(cost, num_candidates=5000, num_restarts=2, seed=3)
    assert sorted(greedy.tolist()) == list(range(40))
    assert exact <= total(cost, greedy) < exact + 0.25 * (identity - exact)
    assert torch.equal(greedy, greedy_alignment(cost, num_candidates=5000, num_restarts=2, seed=3))
    more = greedy_alignment(cost, num_candidates=5000, num_restarts=4, seed=3)
    assert total(cost, more) <= total(cost, greedy)


def test_stalling_stops_a_restart() -> None:
    table = [[0.0, 1.0], [1.0, 0.0]]
    swapped = [[1.0, 0.0], [0.0, 1.0]]
    pairs = [[0] * 5, [1] * 5]
    assert _switch_pairs(swapped, pairs, max_stall=0) == [1, 0]
    assert _switch_pairs(table, pairs, max_stall=0) == [0, 1]
    late = [[0.0, 9.0, 9.0], [9.0, 5.0, 0.0], [9.0, 0.0, 5.0]]  # only switching 1 and 2 helps
    candidates = [[0, 0, 0, 1], [1, 1, 1, 2]]
    assert _switch_pairs(late, candidates, max_stall=2) == [0, 1, 2]
    assert _switch_pairs(late, candidates, max_stall=3) == [0, 2, 1]


def test_identity_stays_where_nothing_improves() -> None:
    cost = 1 - torch.eye(5)
    assert greedy_alignment(cost, 1000, 2).tolist() == list(range(5))
    assert greedy_alignment(torch.zeros(1, 1)).tolist() == [0]


def test_permuting_a_layer_permutes_its_outputs() -> None:
    p_v, p_a = example()
    perm = exact_alignment(alignment_cost(p_v, p_a))
    layer = nn.Linear(5, 4).double()
    inputs = torch.randn(8, 5, dtype=torch.float64)
    before = layer(inputs)
    layer.weight.data, layer.bias.data = layer.weight.data[perm], layer.bias.data[perm]
    torch.testing.assert_close(layer(inputs), before[:, perm])
    after = alignment_cost(p_v, p_a[:, perm])
    assert float(after.trace()) == pytest.approx(0.761194, abs=1e-6)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"expected \(samples, clusters\) twice"):
        alignment_cost(torch.zeros(3, 2), torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"expected \(clusters, clusters\)"):
        exact_alignment(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="NaN"):
        greedy_alignment(torch.full((2, 2), torch.nan))
    with pytest.raises(ValueError, match="num_candidates is 0"):
        GreedyAlignment(num_candidates=0)
