"""Losses over the pairs of a batch: worked examples (docs/methods/dmc.md#worked-examples), and invariants."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unlabelled.clustering.map_clustering import cluster_maps
from unlabelled.losses import CorrespondenceLoss, MaxMargin, PairCrossEntropy
from unlabelled.losses.mismatch import NONE, draw_mismatches, mismatched
from unlabelled.losses.pair_ranking import Comparison, compare_centres

# rows are images
S = torch.tensor([[1.6, 0.3, -0.2], [0.9, 1.1, 0.4], [0.1, 1.4, 1.0]])
LOSSES = [MaxMargin(), MaxMargin(0.3, "hardest"), MaxMargin(0.3, "one_random"), PairCrossEntropy(0.3)]


def of_table(similar: Tensor) -> Comparison:
    wrong = ~torch.eye(len(similar), dtype=torch.bool)
    return Comparison(similar, similar.T, similar.diagonal(), wrong, wrong)


def centres(seed: int, rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    visual, audio = (torch.randn(rows, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return visual, audio


def test_the_batch_of_the_worked_example() -> None:
    """Sums 2.6 over rows and 2.2 over columns; the hardest ones 0.733333 and, by hand, 2/3."""
    everything = MaxMargin(1.0)(of_table(S), 0)
    assert float(everything.loss) == pytest.approx((2.6 + 2.2) / 12, abs=1e-6)
    # above 0 in rows: .8, .3, .1, 1.4; in columns: .2, .3, .4, 1.3
    assert float(everything.report["active_hinges"]) == pytest.approx(8 / 12)
    hardest = MaxMargin(1.0, "hardest")(of_table(S), 0)
    assert float(hardest.loss) == pytest.approx((0.733333 * 3 + 0.3 + 1.3 + 0.4) / 6, abs=1e-6)
    random = {round(float(MaxMargin(1.0, "one_random")(of_table(S), step).loss), 5) for step in range(20)}
    assert random == {round((0 + 0.3 + 0.1) / 3, 5), round((0 + 0.8 + 1.4) / 3, 5)}


def test_the_three_clips_of_the_worked_example() -> None:
    """One image, its audio and a mismatched one: 0.455448 of summed cosines, margin 2; of means half."""
    matrices = torch.tensor([[[1.0, 0], [0, 1]], [[2, 0], [0, -1]]], dtype=torch.float64)
    maps = ([[1, 0], [0, 1], [1, 1]], [[2, 0], [0, 1], [1, -1], [0.5, 0.5]], [[0, -1], [1, 0.2], [0.3, -1]])
    audio, image, other = (
        cluster_maps(torch.tensor(each, dtype=torch.float64)[None, None] @ matrices).centres for each in maps
    )
    compared = compare_centres(torch.cat([image, image]), torch.cat([audio, other]), torch.tensor([0, 1]))
    assert float(compared.own[0]) == pytest.approx(0.958156, abs=1e-6)
    assert float(compared.images[0, 1]) == pytest.approx(0.371761 / 2, abs=1e-6)
    nowhere = torch.zeros(2, 2, dtype=torch.bool)
    only = nowhere.clone()
    only[0, 1] = True
    one = compared._replace(image_mismatches=only, audio_mismatches=nowhere)
    assert float(MaxMargin(1.0)(one, 0).loss) == pytest.approx(0.455448 / 2, abs=1e-6)
    assert float(MaxMargin(0.5)(one, 0).loss) == 0


@given(st.integers(0, 1000), st.integers(2, 6))
def test_order_of_clips_does_not_matter(seed: int, rows: int) -> None:
    visual, audio = centres(seed, rows)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    for loss in LOSSES:
        if isinstance(loss, MaxMargin) and loss.negatives == "one_random":
            continue  # draws by position
        values = [
            loss(compare_centres(visual[rows_], audio[rows_], torch.arange(rows)), 0).loss
            for rows_ in (torch.arange(rows), order)
        ]
        torch.testing.assert_close(*values)


@pytest.mark.parametrize("loss", LOSSES[:3])
def test_nothing_is_lost_where_the_margin_is_kept(loss: CorrespondenceLoss) -> None:
    visual = torch.tensor([[[1.0, 0]], [[-1, 0]]]).requires_grad_()
    audio = torch.tensor([[[2.0, 0.1]], [[-3, 0.1]]]).requires_grad_()
    value = loss(compare_centres(visual, audio, torch.arange(2)), 0)
    assert float(value.loss.detach()) == 0
    value.loss.backward()
    assert visual.grad is not None
    assert not visual.grad.any()


def test_gradients_of_all_losses() -> None:
    visual, audio = (one.requires_grad_() for one in centres(0, 4))
    videos, silent = torch.tensor([0, 1, 1, 2]), torch.tensor([False, False, False, True])
    for loss in LOSSES:
        assert torch.autograd.gradcheck(
            lambda v, a, chosen=loss: chosen(compare_centres(v, a, videos, silent), 0).loss, (visual, audio)
        )


def test_what_is_mismatched() -> None:
    images, audio = mismatched(torch.tensor([4, 7, 4]), torch.tensor([False, True, False]))
    assert images.tolist() == [[False, False, False], [True, False, True], [False, False, False]]
    assert audio.tolist() == [[False, True, False], [False, False, False], [False, True, False]]
    both = mismatched(torch.tensor([4, 7, 4]))
    assert torch.equal(*both)


@given(st.integers(2, 9), st.integers(0, 10_000))
def test_drawn_partners_are_a_permutation_without_fixed_points(rows: int, step: int) -> None:
    negative = ~torch.eye(rows, dtype=torch.bool)
    partner = draw_mismatches(negative, step)
    assert sorted(partner.tolist()) == list(range(rows))
    assert (partner != torch.arange(rows)).all()
    assert torch.equal(partner, draw_mismatches(negative, step))


@given(st.integers(0, 10_000))
def test_drawn_partners_are_allowed(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    negative = torch.rand(6, 6, generator=generator) < 0.4
    for row, column in enumerate(draw_mismatches(negative, seed).tolist()):
        assert negative[row, column] if column != NONE else not negative[row].any()


def test_all_distances_are_drawn() -> None:
    negative = ~torch.eye(5, dtype=torch.bool)
    first = [int(draw_mismatches(negative, step)[0]) for step in range(200)]
    assert {first.count(place) > 30 for place in (1, 2, 3, 4)} == {True}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaxMargin(0.0), "margin=0.0 must be above 0"),
        (lambda: MaxMargin(negatives="semi-hard"), "expected all, hardest or one_random"),
        (lambda: PairCrossEntropy(-1.0), "temperature=-1.0 must be above 0"),
    ],
)
def test_wrong_options_are_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
