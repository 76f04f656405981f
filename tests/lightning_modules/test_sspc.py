"""SSPC: when its anchors begin, which terms there are, what is remembered, and that it learns."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning import Callback, Trainer
from torch import Tensor

from callbacks.training.queue_update import QueueUpdate
from lightning_modules import SSPC
from tests._helpers.tri_modal import Clips, clips, norm_free, parts_of_a_method, trainer
from tests.lightning_modules.test_text_video_audio import logged
from unlabelled.clustering import DampedMultiSinkhorn, MultiAssignment, damped_multi_sinkhorn
from unlabelled.contracts import AssignsAnchors
from unlabelled.losses import StructureWeights, anchor_cost, weighted_pairs
from unlabelled.losses.anchor_objective import usage_entropy

MODALITIES = ("text", "video", "audio")


def sspc(audio: bool = True, **kwargs: Any) -> SSPC:
    torch.manual_seed(0)
    options: dict[str, Any] = {"num_anchors": 6, "queue_size": 24, **kwargs}
    module = SSPC(**parts_of_a_method(audio=audio), **options)
    norm_free(module)
    return module


def push(module: SSPC, keys: dict[str, list[Tensor]]) -> None:
    for name, queue in module.queues.items():
        queue.push(torch.cat(keys[name]))


class Spy(MultiAssignment):
    """Notes the scores that it is given."""

    def __init__(self) -> None:
        super().__init__(0.5)
        self.scores: list[Tensor] = []

    def __call__(self, scores: Tensor) -> Tensor:
        self.scores.append(scores.clone())
        return damped_multi_sinkhorn(scores, self.num_assigned(scores.shape[-1]))


@pytest.mark.parametrize(
    ("queue_size", "clips_per_step", "first"),
    [(55, 22, 4), (55, 5, 12)],  # 5500 rows with 2160 and with 500 clips per step, over 100
)
def test_the_anchors_wait_for_full_queues(queue_size: int, clips_per_step: int, first: int) -> None:
    spy = Spy()
    module = sspc(queue_size=queue_size, assignment=spy)
    values = logged(module)
    for step in range(1, first + 2):
        values.clear()
        out = module.training_step(clips(clips_per_step, step), 0)
        share = min(1.0, (step - 1) * clips_per_step / queue_size)
        assert values["train/queue_filled"] == pytest.approx(share)
        assert ("train/sspc" in values) == bool(spy.scores) == (step >= first)
        push(module, out["keys"])
    assert [tuple(scores.shape) for scores in spy.scores[:3]] == [(4, queue_size + clips_per_step, 6)] * 3
    eager = sspc(queue_size=queue_size, start="now")
    values = logged(eager)
    eager.training_step(clips(clips_per_step), 0)
    assert "train/sspc" in values


def plain_loss(module: SSPC, batch: dict[str, Tensor], masked: bool) -> dict[str, Tensor]:
    """Compute the terms from their definitions, one matrix at a time, without queues."""
    encoded = module.encode_tokens(batch)
    inputs, projected = module.input_features(batch, encoded), module.single_features(encoded)
    there = {name: batch[f"{name}_mask"].any(1) | (not masked) for name in MODALITIES}

    def cosines(rows: Tensor, bank: Tensor) -> Tensor:
        return rows @ F.normalize(bank, dim=1).T

    def target(scores: Tensor, rows: Tensor) -> Tensor:
        codes = torch.zeros_like(scores)
        found = damped_multi_sinkhorn(scores[rows].detach(), 3)
        low, high = found.amin(1, keepdim=True), found.amax(1, keepdim=True)
        codes[rows] = (found - low) / (high - low)
        return codes

    terms = {}
    for anchor, feature in product(MODALITIES, MODALITIES):
        own = cosines(inputs[anchor], module.anchors.inputs[anchor].weight)
        other = cosines(projected[feature], module.anchors.projected[anchor].weight)
        rows = there[anchor] & there[feature]
        for name, scores, codes in (
            (f"input_{anchor}_from_projected_{feature}", own, target(other, there[feature])),
            (f"projected_{feature}_from_input_{anchor}", other, target(own, there[anchor])),
        ):
            terms[name] = anchor_cost(scores[rows], codes[rows])
    return terms


@pytest.mark.parametrize("masked", [False, True])
def test_the_eighteen_terms(masked: bool) -> None:
    module = sspc(start="now", mask_empty=masked)
    values, batch = logged(module), clips(14, empty=0.3)
    loss = module.training_step(batch, 0)["loss"].detach()
    with torch.no_grad():
        expected = plain_loss(module, batch, masked)
    assert {name: values[f"train/sspc/{name}"] for name in expected} == pytest.approx(
        {name: float(cost) for name, cost in expected.items()}, rel=1e-4
    )
    total = sum(cost * (0.1 if "audio" in name else 1) for name, cost in expected.items())
    assert len(expected) == 18
    assert values["train/sspc"] == pytest.approx(float(total), rel=1e-4)
    assert float(loss) == pytest.approx(values["train/nce"] + values["train/sspc"], rel=1e-5)


def test_remembered_rows_share_in_the_balance() -> None:
    spy = Spy()
    module = sspc(assignment=spy, start="now")
    values = logged(module)
    old = module.training_step(clips(10, 1), 0)["keys"]
    push(module, old)
    spy.scores.clear()
    batch = clips(8, 2)
    module.training_step(batch, 0)
    text = spy.scores[0]  # in_t, pr_{t|t}, pr_{t|v}, pr_{t|a}: 10 remembered rows, then the 8 of the batch
    assert text.shape == (4, 18, 6)
    bank = F.normalize(module.anchors.projected["video"].weight, dim=1).detach()
    torch.testing.assert_close(text[2, :10], old["projected_text"][0] @ bank.T)
    with torch.no_grad():
        features = module.single_features(module.encode_tokens(batch))
    torch.testing.assert_close(text[2, 10:], features["text"] @ bank.T)
    before = values["train/sspc"]
    for name, queue in module.queues.items():
        queue.load_state_dict({key: torch.zeros_like(value) for key, value in queue.state_dict().items()})
        assert not queue.is_full, name
    module.training_step(batch, 0)
    assert values["train/sspc"] != pytest.approx(before, rel=1e-4)


def test_empty_clips_are_left_out_where_that_is_asked_for() -> None:
    spy = Spy()
    module = sspc(assignment=spy, start="now", mask_empty=True, queue_size=20)
    logged(module)
    batch = clips(10, 3, empty=0.4)
    out = module.training_step(batch, 0)
    there = {name: batch[f"{name}_mask"].any(1) for name in MODALITIES}
    assert 0 < there["text"].sum() < 10 != there["audio"].sum()
    assert [scores.shape[1] for scores in spy.scores] == [int(there[name].sum()) for name in MODALITIES]
    for name in MODALITIES:
        for space in ("input", "projected"):
            assert torch.equal(out["keys"][f"{space}_{name}"][0].any(1), there[name])
    push(module, out["keys"])
    spy.scores.clear()
    module.training_step(batch, 0)
    assert [scores.shape[1] for scores in spy.scores] == [2 * int(there[name].sum()) for name in MODALITIES]
    silent = clips(6, 3)
    silent["audio_mask"][:] = False
    alone = sspc(start="now", mask_empty=True)
    values = logged(alone)
    assert torch.isfinite(alone.training_step(silent, 0)["loss"])
    assert values["train/sspc/input_audio_from_projected_text"] == 0


@pytest.mark.parametrize(
    ("structure", "kept"),
    [
        (StructureWeights(cross_modal=False), lambda a, b: a == b),
        (StructureWeights(modality_specific=False), lambda a, b: a != b),
    ],
)
def test_switching_terms_off_leaves_the_others_alone(
    structure: StructureWeights, kept: Callable[[str, str], bool]
) -> None:
    batch, all_values = clips(12), None
    for weights in (StructureWeights(), structure):
        module = sspc(start="now", structure=weights)
        values = logged(module)
        module.training_step(batch, 0)
        terms = {name: value for name, value in values.items() if name.startswith("train/sspc/")}
        if all_values is None:
            all_values = terms
    expected = {
        name
        for anchor, feature in product(MODALITIES, MODALITIES)
        if kept(anchor, feature)
        for name in (
            f"train/sspc/input_{anchor}_from_projected_{feature}",
            f"train/sspc/projected_{feature}_from_input_{anchor}",
        )
    }
    assert terms == pytest.approx({name: all_values[name] for name in expected}, rel=1e-5)


def test_codes_without_a_weight_are_not_computed() -> None:
    only = dict.fromkeys(sorted(_names() - {"projected_video_from_input_text"}), 0.0)
    spy = Spy()
    module = sspc(start="now", structure=StructureWeights(overrides=only), assignment=spy)
    logged(module)
    module.training_step(clips(8), 0)
    assert [tuple(scores.shape) for scores in spy.scores] == [(1, 8, 6)]
    with pytest.raises(ValueError, match=r"0 terms; expected .* lambda_sspc: 0"):
        sspc(structure=StructureWeights(cross_modal=False, modality_specific=False))


def _names() -> set[str]:
    return {term.name for term in StructureWeights().terms(MODALITIES)}


def test_raw_features_in_the_input_space() -> None:
    module, batch = sspc(raw_input_features=True, start="now"), clips(5, empty=0)
    dims = {name: bank.weight.shape[1] for name, bank in module.anchors.inputs.items()}
    assert dims == {"text": 6, "video": 8, "audio": 8}
    inputs = module.input_features(batch, module.encode_tokens(batch))
    real = batch["text"][0][batch["text_mask"][0]]
    torch.testing.assert_close(inputs["text"][0], F.normalize(real.mean(0), dim=0))
    logged(module)
    push(module, module.training_step(batch, 0)["keys"])


def test_it_assigns_anchors_in_evaluation() -> None:
    module, batch = sspc(), clips(6)
    assert isinstance(module, AssignsAnchors)
    assert (module.num_anchors, module.num_assigned) == (6, 3)
    out = module.evaluation_step(batch)
    assert list(out["anchor_scores"]) == list(MODALITIES)
    bank = F.normalize(module.anchors.projected["audio"].weight, dim=1)
    torch.testing.assert_close(out["anchor_scores"]["audio"], out["features"]["audio"] @ bank.T)
    codes = module.assign_anchors(out["anchor_scores"]["audio"])
    torch.testing.assert_close(codes.sum(1), torch.full((6,), 3.0))
    text = {name: value for name, value in batch.items() if name.startswith("text")}
    assert list(module.evaluation_step(text)["anchor_scores"]) == ["text"]


def test_fused_features_are_no_part_of_a_pair() -> None:
    weights = {"text-video": 1.0, "text-video+audio": 0.1}
    with pytest.raises(ValueError, match=r"name \['text-video\+audio'\], but .*lightning_modules.EAO"):
        sspc(pair_weights=weights)


def test_weights_of_both_losses() -> None:
    module, batch = sspc(start="now", lambda_nce=2.0, lambda_sspc=3.0), clips(8)
    values = logged(module)
    loss = float(module.training_step(batch, 0)["loss"].detach())
    assert loss == pytest.approx(2 * values["train/nce"] + 3 * values["train/sspc"], rel=1e-5)
    pairs = {name: torch.tensor(values[f"train/nce/{name}"]) for name in module.pair_weights}
    released = {"text-video": 1.0, "text-audio": 0.1, "video-audio": 0.1}
    assert values["train/nce"] == pytest.approx(float(weighted_pairs(pairs, released)), rel=1e-5)
    off = sspc(start="now", lambda_sspc=0.0)
    values = logged(off)
    off.training_step(batch, 0)
    assert not any(name.startswith("train/sspc") for name in values)


def test_usage_entropy() -> None:
    one = torch.tensor([[1.0, 0.9, 0, 0]]).expand(8, 4)
    assert float(usage_entropy(one, 2)) == pytest.approx(0, abs=1e-6)
    rows = torch.eye(4) + torch.eye(4).roll(1, 1)
    assert float(usage_entropy(rows, 2)) == pytest.approx(1)
    three = torch.tensor([[1.0, 0.9, 0, 0], [1.0, 0, 0.9, 0]])  # shares 1/2, 1/4, 1/4
    expected = (1.5 * math.log(2) - math.log(2)) / (math.log(4) - math.log(2))
    assert float(usage_entropy(three, 2)) == pytest.approx(expected)
    assert float(usage_entropy(three, 4)) == 1


class Terms(Callback):
    """Notes what was logged in each step."""

    def __init__(self) -> None:
        self.values: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.values.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def test_it_learns_and_uses_all_anchors(tmp_path: Path) -> None:
    terms, module = Terms(), sspc(queue_size=96, start="now")
    batches = [clips(32, seed) for seed in range(8)]
    trainer(tmp_path, QueueUpdate(), terms, max_epochs=6).fit(module, Clips(batches))
    first, last = terms.values[0], terms.values[-1]
    assert last["train/sspc"] < 0.8 * first["train/sspc"]
    assert last["train/nce"] < 0.8 * first["train/nce"]
    scores = module.eval().evaluation_step(clips(120, 50))["anchor_scores"]
    for score in scores.values():
        codes = module.assign_anchors(score.detach())
        torch.testing.assert_close(codes.sum(0), torch.full((6,), 60.0), atol=2, rtol=0)


def test_queues_and_anchors_survive_a_checkpoint(tmp_path: Path) -> None:
    batches, path = [clips(8, seed) for seed in range(4)], tmp_path / "a.ckpt"
    run = trainer(tmp_path, QueueUpdate(), max_epochs=1)
    run.fit(sspc(), Clips(batches))
    run.save_checkpoint(path)
    state = torch.load(path, weights_only=False)["state_dict"]
    assert int(state["queues.projected_audio.filled"]) == 24
    resumed, whole = sspc(), sspc()
    trainer(tmp_path, QueueUpdate()).fit(resumed, Clips(batches), ckpt_path=path, weights_only=False)
    trainer(tmp_path, QueueUpdate()).fit(whole, Clips(batches))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    with pytest.raises(ValueError, match=r"anchors\.inputs\.text\.weight is \(6, 8\) there and \(8, 8\)"):
        trainer(tmp_path, QueueUpdate()).fit(
            sspc(num_anchors=8), Clips(batches), ckpt_path=path, weights_only=False
        )


def test_another_assignment_can_be_injected() -> None:
    module = sspc(assignment=DampedMultiSinkhorn(fraction=1 / 3), targets="raw", logits="scaled", start="now")
    assert module.num_assigned == 2
    values = logged(module)
    module.training_step(clips(8), 0)
    other = sspc(start="now")
    others = logged(other)
    other.training_step(clips(8), 0)
    assert values["train/nce"] == pytest.approx(others["train/nce"])
    assert values["train/sspc"] != pytest.approx(others["train/sspc"], rel=0.01)


def test_half_precision_stops_before_the_losses() -> None:
    """Features of autocast are rounded; cosines, codes and losses of them are not."""
    module, batch = sspc(start="now"), clips(12)
    values = logged(module)
    exact = float(module.training_step(batch, 0)["loss"].detach())
    spy = Spy()
    module.assignment = spy
    module.objective = dataclasses.replace(module.objective, assignment=spy)
    with torch.autocast("cpu", torch.bfloat16):
        out = module.training_step(batch, 0)
    assert out["loss"].dtype == torch.float32
    assert float(out["loss"].detach()) == pytest.approx(exact, rel=0.1)
    assert {rows[0].dtype for rows in out["keys"].values()} == {torch.float32}
    norms = torch.cat([rows[0].norm(dim=1) for rows in out["keys"].values()])
    torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-5, rtol=0)
    assert {scores.dtype for scores in spy.scores} == {torch.float32}
    assert math.isfinite(values["train/sspc"])
