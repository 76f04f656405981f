"""A missing modality leaves the cluster of its sample to the other one, in all methods with two encoders."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from lightning_modules import SHHC, XDC, SeLaVi
from lightning_modules.self_labelled import ClusterPredictor, SelfLabelled
from tests._helpers.clustering_passes import batch, silent
from unlabelled.batch import Batch
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder
from unlabelled.losses import multi_head_cross_entropy
from unlabelled.missing import has_feature, has_scores

SIZE, K = 8, 5
BLACK, SILENT, BOTH = 1, 3, 6


def make(name: str, **options: Any) -> SelfLabelled:
    torch.manual_seed(0)
    encoders = SmallImageEncoder(width=2), SmallAudioEncoder(width=2)
    optimizer = partial(torch.optim.SGD, lr=0.1)
    method: SelfLabelled
    if name == "SHHC":
        options |= {"num_clusters": K, "num_heads": 2, "dim": 3, "hidden_dim": 8, "hierarchies_of": "joint"}
        method = SHHC(encoders[0], encoders[1], optimizer, **options)
        method.prototypes.copy_(torch.randn(2, K, 3) * 0.2)
        method.prototypes[:, 2] = torch.nan  # no leaf
    elif name == "XDC":
        method = XDC(*encoders, optimizer, K, **options)
    else:
        method = SeLaVi(*encoders, optimizer, K, num_heads=2, hidden_dim=8, **options)
    method.pseudo_labels.allocate(SIZE)
    method.pseudo_labels.table[:] = torch.arange(SIZE).unsqueeze(1) % 2
    return silent(method)


def incomplete(silence: float = -36.0) -> Batch:
    data = batch(SIZE)
    data["image"][[BLACK, BOTH]] = -2.0
    data["audio"][[SILENT, BOTH]] = silence
    return data


def trained(method: SelfLabelled, data: Batch, train: bool = True) -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(1)  # dropout
    loss = method.train(train).training_step(data, 0)["loss"]
    loss.backward()
    return loss.detach(), [parameter.grad for parameter in method.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", ["SeLaVi", "SHHC", "XDC"])
def test_without_missing_modalities_both_choices_are_equal_bit_for_bit(name: str) -> None:
    one, other = make(name), make(name, missing_modalities="learn")
    (loss, grads), (same, expected) = trained(one, batch(SIZE)), trained(other, batch(SIZE))
    assert torch.equal(loss, same)
    assert len(grads) == len(expected) > 0
    assert all(torch.equal(a, b) for a, b in zip(grads, expected, strict=True))
    with torch.no_grad():
        features, same_features = one.eval().embed(batch(SIZE)), other.eval().embed(batch(SIZE))
        for head in range(one.num_clusterings):
            scores = one.cluster_scores(features, head)
            assert torch.equal(scores, other.cluster_scores(same_features, head))


@pytest.mark.parametrize("name", ["SeLaVi", "SHHC"])
@torch.no_grad()
def test_the_other_modality_decides(name: str) -> None:
    method = make(name).eval()
    assert isinstance(method, ClusterPredictor)
    outputs = method.evaluation_step(incomplete())
    image, audio = (outputs["cluster_log_probs"][part] for part in ("image", "audio"))
    joint = image + audio
    torch.testing.assert_close(joint[SILENT].softmax(1), image[SILENT].softmax(1))
    torch.testing.assert_close(joint[BLACK].softmax(1), audio[BLACK].softmax(1))
    leaves = joint[BOTH].isfinite()
    assert leaves.sum() == 2 * (K - (name == "SHHC"))
    assert joint[BOTH].softmax(1)[leaves].unique().numel() == 1
    for head in range(2):
        scores = method.cluster_scores(outputs["features"], head)
        torch.testing.assert_close(scores[SILENT], 2 * image[SILENT, head].float())
        torch.testing.assert_close(scores[BLACK], 2 * audio[BLACK, head].float())
        torch.testing.assert_close(scores[0], joint[0, head].float())
        assert (~has_scores(scores)).nonzero().flatten().tolist() == [BOTH]


@pytest.mark.parametrize("name", ["SeLaVi", "XDC"])
@pytest.mark.parametrize("silence", [-36.0, float("nan")])
def test_a_missing_modality_is_not_learned(name: str, silence: float) -> None:
    """Compare with the mean of each modality's loss over the samples that have it."""
    method = make(name)
    loss, gradients = trained(method, incomplete(silence), train=False)
    assert all(torch.isfinite(each).all() for each in gradients)
    features, parts = method.embed(incomplete(silence)), []
    for part, absent in (("image", [BLACK, BOTH]), ("audio", [SILENT, BOTH])):
        rows = [row for row in range(SIZE) if row not in absent]
        assert has_feature(features[part]).nonzero().flatten().tolist() == rows
        columns = method.clusterings_of(part)
        labels = method.pseudo_labels.table.long()[rows][:, columns]
        weights = method.sample_weights(torch.tensor(rows))
        own = None if weights is None else weights[:, columns]
        parts.append(multi_head_cross_entropy(method.logits(part, features[part][rows]), labels, own).mean())
    torch.testing.assert_close(loss, torch.stack(parts).mean().detach())


@pytest.mark.parametrize("name", ["SeLaVi", "SHHC", "XDC"])
def test_a_training_step_on_damaged_inputs_is_finite(name: str) -> None:
    method = make(name)
    loss, gradients = trained(method, incomplete(torch.nan))
    statistics = [value for key, value in method.named_buffers() if "running" in key]
    assert all(torch.isfinite(each).all() for each in [loss, *gradients, *statistics])


def test_statistics_of_batch_normalisation_are_those_of_real_samples() -> None:
    method = make("SeLaVi", missing_modalities="leave_out").train()
    method.embed(incomplete(1e6))
    assert max(float(value.abs().max()) for name, value in method.named_buffers() if "audio" in name) < 100
    learner = make("SeLaVi", missing_modalities="learn").train()
    learner.embed(incomplete(1e6))
    assert max(float(value.abs().max()) for name, value in learner.named_buffers() if "audio" in name) > 1e4


@torch.no_grad()
def test_silence_may_be_learned_as_any_input() -> None:
    method = make("SeLaVi", missing_modalities="learn").eval()
    features = method.embed(incomplete())
    assert all(has_feature(feature).all() for feature in features.values())
    with pytest.raises(ValueError, match="missing_modalities is 'ignore', expected leave_out or learn"):
        make("SeLaVi", missing_modalities="ignore")
