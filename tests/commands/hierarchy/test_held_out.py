"""The agreement of methods with halves of the samples that their trees were not built from."""

from __future__ import annotations

import numpy as np
import pytest

from tests._helpers.hierarchy_oracles import lowest_common_ancestor
from unlabelled.commands.hierarchy import held_out as held_out_module
from unlabelled.commands.hierarchy.held_out import NUM_NEIGHBOURS, halves
from unlabelled.commands.hierarchy.runs import Run
from unlabelled.commands.hierarchy.study import Plan, Study
from unlabelled.hierarchy import Leaves, Linkage

RNG = np.random.default_rng(0)
ROWS = np.concatenate([np.eye(5)[k] + 0.1 * RNG.normal(size=(12, 5)) for k in range(4)])


def test_halves_have_all_samples_once_and_half_of_the_leaves() -> None:
    found = halves(ROWS, 1000, "half_cosine", seed=3)
    assert [len(half.leaves) for half in found] == [24, 24]
    assert [len(half.leaf_of) for half in found] == [24, 24]
    directions = np.concatenate([half.leaves.features for half in found])
    expected = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    np.testing.assert_allclose(np.sort(directions, 0), np.sort(expected, 0), atol=1e-12)
    for own, other in ((0, 1), (1, 0)):
        closest = (found[other].leaves.features @ found[own].leaves.features.T).argmax(1)
        assert found[own].leaf_of.tolist() == closest.tolist()
    few = halves(ROWS, 14, "half_cosine", seed=3)
    assert all(len(half.leaves) <= 7 and len(half.leaf_of) == 24 for half in few)
    again = halves(ROWS, 1000, "half_cosine", seed=3)
    assert again[0].leaf_of.tolist() == found[0].leaf_of.tolist()
    redrawn = halves(ROWS, 1000, "half_cosine", seed=4)
    assert redrawn[0].leaf_of.tolist() != found[0].leaf_of.tolist()


def test_few_rows_have_no_halves() -> None:
    assert halves(ROWS[:19], 1000, "half_cosine", seed=0) == []
    study = Study.prepare(ROWS[:19], Plan(methods=["average"]))
    (run,) = study.run_all()
    assert run.agreement is None
    assert study.best is run


def test_few_queries_are_drawn_of_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out_module, "MOST_QUERIES", 7)
    half = halves(ROWS, 1000, "half_cosine", seed=0)[0]
    assert len(set(half.queries.tolist())) == 7
    assert half.neighbours.shape == (7, NUM_NEIGHBOURS)


def test_the_agreement_of_a_method_is_the_mean_over_both_halves() -> None:
    study = Study.prepare(ROWS, Plan(methods=["average"], seed=5))
    (run,) = study.run_all()
    shares = []
    for half in study.halves:
        tree = Linkage("average").fit(half.leaves).tree
        below = [[tree.sizes[lowest_common_ancestor(tree, i, j)] for j in half.leaf_of] for i in half.leaf_of]
        for sample, row in zip(half.queries, half.neighbours, strict=True):
            for neighbour in row:
                others = np.delete(below[sample], [sample, neighbour])
                own = below[sample][neighbour]
                shares.append((others > own).mean() + (others == own).mean() / 2)
    assert run.agreement == pytest.approx(np.mean(shares))


def test_the_best_run_agrees_best_and_of_equal_ones_is_the_cheapest() -> None:
    study = Study.prepare(ROWS, Plan())
    tree = Linkage().fit(Leaves.from_features(ROWS)).tree
    for method, cost, agreement in (("shhc", 1.0, 0.7), ("ward", 3.0, 0.8), ("neighbours", 2.0, 0.8)):
        study.runs.append(Run(method, "leaves", tree, costs={"leaves_1x": cost}, agreement=agreement))
    study.runs.append(Run("average", "leaves", tree, costs={"leaves_1x": 0.5}))  # its halves failed
    assert study.best is not None
    assert study.best.method == "neighbours"
