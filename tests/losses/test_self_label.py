"""The self-labelling loss against a worked example (released code's loss) and a loop."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.losses import multi_head_cross_entropy

VIDEO = torch.tensor(
    [[[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]], [[0.5, 0.2, 0.1], [-1.0, 0.0, 1.0]]], dtype=torch.float64
)  # (batch, heads, clusters)
LABELS = torch.tensor([[0, 2], [1, 1]])


def test_worked_example() -> None:
    video = multi_head_cross_entropy(VIDEO, LABELS)
    audio = multi_head_cross_entropy(VIDEO.flip(2), LABELS)
    assert video.tolist() == pytest.approx([0.793852, 1.823575], abs=1e-6)
    assert audio.tolist() == pytest.approx([1.793852, 1.823575], abs=1e-6)
    assert torch.stack([video, audio]).mean() == pytest.approx(1.558714, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_unlabelled_samples_add_nothing(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 3, 4, dtype=dtype, requires_grad=True)
    labels = torch.randint(0, 4, (6, 3))
    labels[0, 0] = labels[2:, 1] = labels[:, 2] = -1
    losses = multi_head_cross_entropy(logits, labels)
    assert losses.dtype == dtype
    for head in range(2):
        known = labels[:, head] >= 0
        torch.testing.assert_close(losses[head], F.cross_entropy(logits[known, head], labels[known, head]))
    assert losses[2] == 0
    losses.sum().backward()
    assert logits.grad is not None
    assert logits.grad[:, 2].abs().max() == 0
    assert torch.isfinite(logits.grad).all()


def test_weights_multiply_what_each_sample_adds() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(5, 2, 3, dtype=torch.float64), torch.randint(0, 3, (5, 2))
    labels[4, 1] = -1
    weights = torch.rand(5, 2, dtype=torch.float64)
    losses = multi_head_cross_entropy(logits, labels, weights)
    for head, count in enumerate((5, 4)):
        log_probs = logits[:count, head].log_softmax(1)[torch.arange(count), labels[:count, head]]
        torch.testing.assert_close(losses[head], -(weights[:count, head] * log_probs).sum() / count)
    ones = multi_head_cross_entropy(logits, labels, torch.ones(5, 2))
    torch.testing.assert_close(ones, multi_head_cross_entropy(logits, labels))


def test_half_precision_logits_are_scored_in_float32() -> None:
    logits = (VIDEO * 10).to(torch.bfloat16)
    losses = multi_head_cross_entropy(logits, LABELS)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(
        losses.double(), multi_head_cross_entropy(logits.double(), LABELS), rtol=1e-6, atol=1e-6
    )


def test_gradient() -> None:
    logits = VIDEO.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: multi_head_cross_entropy(x, LABELS), (logits,))


def test_the_logits_of_samples_without_a_label_may_hold_nan() -> None:
    logits = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
    logits[1] = torch.nan
    labels = torch.tensor([[0, 1], [UNLABELLED, UNLABELLED], [2, UNLABELLED], [1, 1]])
    losses = multi_head_cross_entropy(logits.requires_grad_(), labels)
    losses.sum().backward()
    assert logits.grad is not None
    assert bool(losses.isfinite().all())
    assert bool(logits.grad.isfinite().all())
