"""cIoU and AUC: worked examples (docs/methods/dmc.md#worked-examples), and a count pixel by pixel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabelled.metrics.localisation import (
    consensus_iou,
    consensus_map,
    detected,
    normalised_maps,
    success_area,
    success_rates,
)

ALPHA = torch.tensor([[[0.9, 0.8, 0.1, 0.3], [0.2, 0.7, 0.6, 0.0]]])
# three boxes on a grid of 2 rows and 4 columns
BOXES = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.25, 0.0, 0.75, 1.0], [0.25, 0.0, 0.5, 0.5]])
GOLD = torch.tensor([[[0.5, 1.0, 0.5, 0.0], [0.5, 1.0, 0.5, 0.0]]])


def test_consensus_of_three_annotators() -> None:
    assert torch.equal(consensus_map(BOXES, (2, 4)), GOLD[0].double())
    alone = consensus_map(BOXES[:1], (2, 4))
    assert alone.max() == 0.5


@pytest.mark.parametrize(
    ("threshold", "level", "expected"),
    [("fixed", 0.5, 0.75), ("fixed", 0.25, 0.6), ("fixed", 0.75, 0.375), ("median", 0.5, 0.625)],
)
def test_worked_example(threshold: str, level: float, expected: float) -> None:
    claimed = detected(ALPHA, threshold, level)
    assert float(consensus_iou(claimed, GOLD)) == pytest.approx(expected)


def test_everything_and_exactly_the_support() -> None:
    assert float(consensus_iou(torch.ones(1, 2, 4, dtype=torch.bool), GOLD)) == pytest.approx(4 / 6)
    assert float(consensus_iou(GOLD > 0, GOLD)) == 1.0
    assert float(consensus_iou(GOLD > 0, torch.zeros_like(GOLD))) == 0.0


def test_relative_maximum() -> None:
    maps = torch.tensor([[[0.2, 0.5], [0.1, 0.04]]])
    assert detected(maps, "rel_max", 0.2).tolist() == [[[True, True], [False, False]]]
    with pytest.raises(ValueError, match="expected fixed, median or rel_max"):
        detected(maps, "otsu")


def test_success_curve_with_and_without_slack() -> None:
    overlaps = torch.tensor([0.0, 0.12, 0.3, 0.5, 0.55, 0.8, 1.0], dtype=torch.float64)
    strict = success_rates(overlaps, slack=0.0)
    expected = {0: 1.0, 1: 0.857143, 3: 0.714286, 6: 0.571429, 10: 0.571429, 11: 0.428571, 20: 0.142857}
    for index, rate in expected.items():
        assert float(strict[index]) == pytest.approx(rate, abs=1e-6)
    assert success_area(overlaps, slack=0.0) == pytest.approx(0.478571, abs=1e-6)
    assert float(success_rates(overlaps)[6]) == pytest.approx(0.714286, abs=1e-6)
    assert success_area(overlaps) == pytest.approx(0.485714, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6))
def test_against_a_count_of_pixels(seed: int, height: int, width: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    claimed = torch.rand(2, height, width, generator=generator) > 0.5
    gold = torch.randint(0, 3, (2, height, width), generator=generator) / 2
    for n in range(2):
        found, total, wrong = 0.0, 0.0, 0
        for i in range(height):
            for j in range(width):
                g = float(gold[n, i, j])
                total += g
                if claimed[n, i, j]:
                    found += g
                    wrong += g == 0
        expected = found / (total + wrong) if total + wrong else 0.0
        assert float(consensus_iou(claimed, gold)[n]) == pytest.approx(expected)


def test_a_constant_map_detects_no_pixel() -> None:
    flat = normalised_maps(torch.full((1, 3, 3), 7.0))
    assert not flat.any()
    assert not detected(flat, "fixed").any()
    stretched = normalised_maps(torch.tensor([[[2.0, 4.0], [3.0, 2.0]]]))
    assert stretched.tolist() == [[[0.0, 1.0], [0.5, 0.0]]]


def test_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="resize both to one size"):
        consensus_iou(torch.ones(1, 2, 2, dtype=torch.bool), torch.ones(1, 2, 3))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_maps_that_are_not_finite_are_refused(value: float) -> None:
    maps = torch.rand(3, 4, 4)
    maps[1, 2, 2] = value
    with pytest.raises(ValueError, match="1 of 3 maps hold NaN or infinity"):
        normalised_maps(maps)
