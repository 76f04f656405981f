"""The SSPC loss: worked examples (docs/methods/sspc.md#worked-examples), and the 18 terms one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from unlabelled.clustering import damped_multi_sinkhorn
from unlabelled.losses import (
    StructureTerm,
    StructureWeights,
    anchor_cost,
    min_max_targets,
    structure_loss,
)
from unlabelled.nn.anchors import AnchorKey

SIMILARITIES = torch.tensor([[0.30, -0.10, 0.20], [0.00, 0.15, -0.25]], dtype=torch.float64)
TARGETS = torch.tensor([[1, 0, 0.6], [0, 1, 0.25]], dtype=torch.float64)
MODALITIES = ("text", "video", "audio")


@pytest.mark.parametrize(
    ("logits", "mean", "gradient"),
    [
        ("exp", 0.981529, [[0.0, 0.362328, 4.918432], [1.218431, -0.083566, 0.037008]]),
        ("scaled", 0.481205, [[-0.079043, 0.448236, 0.467995], [0.833333, -0.304043, -0.290236]]),
    ],
)
def test_cost_and_gradient(logits: Any, mean: float, gradient: list[list[float]]) -> None:
    similarities = SIMILARITIES.clone().requires_grad_()
    targets = TARGETS.clone().requires_grad_()
    cost = anchor_cost(similarities, targets, logits=logits)
    cost.backward()
    assert cost.item() == pytest.approx(mean, abs=1e-6)
    assert similarities.grad is not None
    expected = torch.tensor(gradient, dtype=torch.float64)
    torch.testing.assert_close(similarities.grad, expected, atol=1e-6, rtol=0)
    assert targets.grad is None


@pytest.mark.parametrize(
    ("similarity", "costs"),
    [
        (-1.0, (0.693170, 0.693147, 0.693124)),
        (-0.5, (0.696522, 0.693153, 0.689784)),
        (0.0, (1.313262, 0.813262, 0.313262)),
        (0.1, (2.782184, 1.423043, 0.063902)),
        (0.2, (7.389674, 3.695146, 0.000618)),
        (0.3, (20.085537, 10.042768, 2e-9)),
        (0.5, (148.413159, 74.206580, 0.0)),
        (1.0, (22026.465795, 11013.232897, 0.0)),
    ],
)
def test_cost_of_one_similarity(similarity: float, costs: tuple[float, float, float]) -> None:
    for target, expected in zip((0.0, 0.5, 1.0), costs, strict=True):
        cost = anchor_cost(torch.tensor([[similarity]]), torch.tensor([[target]]))
        assert float(cost) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_rows_that_do_not_count() -> None:
    weight = torch.tensor([True, False])
    expected = anchor_cost(SIMILARITIES[:1], TARGETS[:1])
    torch.testing.assert_close(anchor_cost(SIMILARITIES, TARGETS, weight=weight), expected)
    both = anchor_cost(SIMILARITIES, TARGETS, weight=torch.tensor([3.0, 1.0]))
    second = anchor_cost(SIMILARITIES[1:], TARGETS[1:])
    torch.testing.assert_close(both, 0.75 * expected + 0.25 * second)
    similarities = SIMILARITIES.clone().requires_grad_()
    nothing = anchor_cost(similarities, TARGETS, weight=torch.zeros(2))
    nothing.backward()
    assert nothing.item() == 0
    assert torch.equal(similarities.grad, torch.zeros(2, 3, dtype=torch.float64))


def test_half_precision_is_left() -> None:
    similarities = SIMILARITIES.float().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cost = anchor_cost(similarities, TARGETS.float())
    assert cost.dtype == torch.float32
    torch.testing.assert_close(cost, anchor_cost(similarities.float(), TARGETS.float()))


def test_text_and_video_on_the_anchors_of_text() -> None:
    """Worked example from scores to the loss, with Multi-SK in the order of the released code."""
    in_t = [[0.30, -0.10, 0.20, 0.05], [0.10, 0.25, -0.20, 0.00], [-0.05, 0.15, 0.35, -0.30]]
    pr_tt = [[0.25, 0, 0.10, -0.05], [0.05, 0.30, -0.10, 0.10], [0, -0.20, 0.40, 0.15]]
    pr_vt = [[0.20, 0.10, -0.15, 0.05], [-0.10, 0.35, 0.05, 0], [0.15, -0.05, 0.20, -0.25]]
    scores = {
        AnchorKey("input", "text", "text"): torch.tensor(in_t, dtype=torch.float64),
        AnchorKey("projected", "text", "text"): torch.tensor(pr_tt, dtype=torch.float64),
        AnchorKey("projected", "video", "text"): torch.tensor(pr_vt, dtype=torch.float64),
    }

    def targets(scores: Tensor) -> Tensor:
        return min_max_targets(damped_multi_sinkhorn(scores, 2, order="code", denominator_eps=1e-5), 2)

    terms = [term for term in StructureWeights().terms(["text", "video"]) if term.target.anchor == "text"]
    loss = structure_loss(scores, {key: targets(each) for key, each in scores.items()}, terms)
    assert {name: float(cost) for name, cost in loss.terms.items()} == pytest.approx(
        {
            "input_text_from_projected_text": 1.385475,
            "projected_text_from_input_text": 0.945118,
            "input_text_from_projected_video": 1.613515,
            "projected_video_from_input_text": 1.013649,
        },
        abs=2e-5,
    )
    assert float(loss.total) == pytest.approx(4.957757, abs=5e-5)


def random_scores(seed: int = 0) -> tuple[dict[AnchorKey, Tensor], dict[AnchorKey, Tensor]]:
    """Return scores and targets."""
    generator = torch.Generator().manual_seed(seed)

    def draw() -> Tensor:
        return torch.rand(5, 6, generator=generator) - 0.5

    keys = [AnchorKey("input", m, m) for m in MODALITIES]
    keys += [AnchorKey("projected", j, m) for j in MODALITIES for m in MODALITIES]
    return {key: draw() for key in keys}, {key: draw() + 0.5 for key in keys}


def plain_cost(similarities: Tensor, targets: Tensor) -> float:
    total = 0.0
    for x, y in zip(similarities.flatten().tolist(), targets.flatten().tolist(), strict=True):
        logit = math.exp(x / 0.1)
        total -= y * math.log(1 / (1 + math.exp(-logit))) + (1 - y) * (-logit - math.log1p(math.exp(-logit)))
    return total / similarities.numel()


def test_all_terms_by_brute_force() -> None:
    scores, targets = random_scores()
    terms = StructureWeights().terms(MODALITIES)
    loss = structure_loss(scores, targets, terms)
    expected = 0.0
    for m in MODALITIES:
        for j in MODALITIES:
            weight = 0.1 if "audio" in (m, j) else 1.0
            one, other = AnchorKey("input", m, m), AnchorKey("projected", j, m)
            expected += weight * plain_cost(scores[one], targets[other])
            expected += weight * plain_cost(scores[other], targets[one])
    assert len(loss.terms) == 18
    assert float(loss.total) == pytest.approx(expected, rel=1e-5)


def is_specific(term: StructureTerm) -> bool:
    """Return whether a term is modality-specific."""
    return term.prediction.feature == term.target.feature


def test_default_weights_sum_to_those_of_the_paper() -> None:
    terms = StructureWeights().terms(MODALITIES)
    specific = sum(term.weight for term in terms if is_specific(term))
    assert specific == pytest.approx(4.2)
    assert sum(term.weight for term in terms) == pytest.approx(9.0)
    assert len(StructureWeights().terms(["text", "video"])) == 8
    assert len({term.name for term in terms}) == 18


@pytest.mark.parametrize(("switch", "left"), [("cross_modal", 6), ("modality_specific", 12)])
def test_a_part_switched_off_changes_only_its_own_terms(switch: str, left: int) -> None:
    tensors = random_scores(1)
    everything = structure_loss(*tensors, StructureWeights().terms(MODALITIES))
    terms = StructureWeights(**{switch: False}).terms(MODALITIES)
    assert len(terms) == left
    assert all(is_specific(term) == (switch == "cross_modal") for term in terms)
    part = structure_loss(*tensors, terms)
    for name, cost in part.terms.items():
        assert torch.equal(cost, everything.terms[name])
    expected = sum(term.weight * everything.terms[term.name] for term in terms)
    torch.testing.assert_close(part.total, expected)


def test_terms_without_weight_need_nothing() -> None:
    """Neither their scores nor their targets have to be there."""
    names = [term.name for term in StructureWeights().terms(["text", "video"])]
    kept = "input_video_from_projected_text"
    weights = StructureWeights(overrides={name: 0.0 for name in names if name != kept} | {kept: 2.0})
    terms = weights.terms(["text", "video"])
    assert [term.name for term in terms] == [kept]
    video, text = AnchorKey("input", "video", "video"), AnchorKey("projected", "text", "video")
    assert (terms[0].prediction, terms[0].target) == (video, text)
    scores, targets = random_scores(2)
    loss = structure_loss({video: scores[video]}, {text: targets[text]}, terms)
    torch.testing.assert_close(loss.total, 2 * anchor_cost(scores[video], targets[text]))
    with pytest.raises(ValueError, match=f"{kept} needs the scores of .*'input', feature='video'"):
        structure_loss(scores, {}, terms)


def test_scores_of_all_terms() -> None:
    terms = StructureWeights().terms(MODALITIES)
    for keys in ([term.target for term in terms], [term.prediction for term in terms]):
        assert {key.anchor for key in keys if key.space == "input"} == set(MODALITIES)
        projected = [key for key in keys if key.space == "projected"]
        assert len(set(projected)) == len(projected) == 9
    assert all(term.prediction.space != term.target.space for term in terms)


def test_only_predictions_get_gradients() -> None:
    tensors = random_scores(3)
    for tensor in (one for group in tensors for one in group.values()):
        tensor.requires_grad_()
    loss = structure_loss(
        *tensors, StructureWeights().terms(MODALITIES), counted=dict.fromkeys(MODALITIES, torch.arange(5) > 0)
    )
    loss.total.backward()
    for group, has_gradient in zip(tensors, (True, False), strict=True):
        assert all((tensor.grad is not None) == has_gradient for tensor in group.values())
    assert not any(cost.requires_grad for cost in loss.terms.values())


def test_errors() -> None:
    with pytest.raises(ValueError, match="input_smell"):
        StructureWeights(overrides={"input_smell_from_projected_text": 1.0})
    with pytest.raises(ValueError, match=r"audio is -1"):
        StructureWeights(audio=-1)
    with pytest.raises(ValueError, match="smell"):
        StructureWeights().terms(["text", "smell"])
    with pytest.raises(ValueError, match="no terms"):
        structure_loss({}, {}, ())
    with pytest.raises(ValueError, match="equal shapes"):
        anchor_cost(SIMILARITIES, TARGETS[:1])
    with pytest.raises(ValueError, match="temperature 0"):
        anchor_cost(SIMILARITIES, TARGETS, temperature=0)
    with pytest.raises(ValueError, match="'sigmoid'"):
        anchor_cost(SIMILARITIES, TARGETS, logits="sigmoid")
