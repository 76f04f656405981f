"""Scores of anchors are cosines."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unlabelled.nn.anchors import AnchorBank


def test_cosines_of_the_worked_example() -> None:
    """Expected cosines are computed by hand."""
    bank = AnchorBank(3, 2)
    bank.load_state_dict({"weight": torch.tensor([[0.0, 2], [5, 5], [-1, 0]])})
    rows = F.normalize(torch.tensor([[3.0, 4], [1, 0]]), dim=1)
    expected = torch.tensor([[0.8, 0.989949, -0.6], [0, 0.707107, -1]])
    torch.testing.assert_close(bank(rows), expected, atol=1e-6, rtol=0)


def test_starts_normal_and_has_nothing_but_weights() -> None:
    bank = AnchorBank(64, 500)
    assert set(bank.state_dict()) == {"weight"}
    assert float(bank.weight.detach().std()) == pytest.approx(1, abs=0.02)
    assert float(bank.weight.detach().mean()) == pytest.approx(0, abs=0.02)


def test_autocast_stays_outside() -> None:
    bank = AnchorBank(8, 64)
    rows = F.normalize(torch.randn(5, 64), dim=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = bank(rows)
        half = bank(rows.bfloat16())
    assert torch.equal(scores, bank(rows))
    assert half.dtype == torch.float32
    scores.sum().backward()
    assert bank.weight.grad is not None
    along = (bank.weight.grad * bank.weight.detach()).sum(1)
    torch.testing.assert_close(along, torch.zeros(8), atol=1e-5, rtol=0)  # lengths do not matter


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="num_anchors is 0"):
        AnchorBank(0, 4)
