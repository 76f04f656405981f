"""SeLa: self-labelling of one modality by its own predictions."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from lightning_modules import SeLa
from tests._helpers.clustering_passes import SIZE, batch, checkpoint_of, one_pass, resume, silent
from unlabelled.clustering import SinkhornClusterer
from unlabelled.contracts import Clusterable, LearnsFromAssignments, PredictsClusters
from unlabelled.encoders import Encoder, SmallAudioEncoder, SmallImageEncoder

K, H = 4, 3


def sela(encoder: Encoder | None = None) -> SeLa:
    torch.manual_seed(0)
    method = SeLa(encoder or SmallImageEncoder(width=2), partial(torch.optim.SGD, lr=0.1), K, H)
    silent(method)
    return method


def test_it_is_clustered_and_predicts_clusters_but_follows_no_centroids() -> None:
    method = sela()
    assert isinstance(method, Clusterable)
    assert isinstance(method, PredictsClusters)
    assert not isinstance(method, LearnsFromAssignments)
    assert [method.num_modalities(head) for head in range(H)] == [1] * H


@pytest.mark.parametrize("encoder", [SmallImageEncoder(2), SmallAudioEncoder(2)], ids=["image", "audio"])
def test_pseudo_labels_are_balanced_and_read_off_its_predictions(encoder: Encoder) -> None:
    """Sinkhorn's labels by brute force on exp(lambda log P): the plan's arg-max."""
    method = sela(encoder)
    one_pass(method, SinkhornClusterer(lambda_=25.0, tolerance=1e-10), batch())
    log_probs = method.eval().evaluation_step(batch())["cluster_log_probs"][encoder.modality]
    for head in range(H):
        plan = (25 * log_probs[:, head].detach().double()).exp()
        for _ in range(5000):
            plan = plan / plan.sum(0) / K
            plan = plan / plan.sum(1, keepdim=True) / SIZE
        assert torch.equal(method.pseudo_labels.table[:, head], plan.argmax(1))


def test_several_views_of_a_sample_are_evaluated_as_their_mean() -> None:
    method, data = sela(SmallAudioEncoder(2)).eval(), batch()
    views = torch.stack([data["audio"], data["audio"].flip(-1)], 1)  # (B, 2, 1, F, T)
    step = method.evaluation_step({**data, "audio": views})
    expected = (method.embed(data)["audio"] + method.embed({"audio": views[:, 1]})["audio"]) / 2
    torch.testing.assert_close(step["features"]["audio"], expected)
    found = step["cluster_log_probs"]["audio"]
    torch.testing.assert_close(found, method.heads["audio"](expected).log_softmax(2))


def test_the_loss_is_the_mean_over_linear_heads() -> None:
    method = sela().eval()
    one_pass(method, SinkhornClusterer(), batch())
    feature, head = method.embed(batch())["image"], method.heads["image"]
    losses = [
        F.cross_entropy(
            F.linear(feature, head.weight[h], head.bias[h]), method.pseudo_labels.table[:, h].long()
        )
        for h in range(H)
    ]
    step = method.training_step(batch(), 0)
    torch.testing.assert_close(step["loss"], torch.stack(losses).mean())
    assert step["features"].keys() == {"image"}


def test_a_few_steps_learn_the_labels() -> None:
    method = sela()
    one_pass(method, SinkhornClusterer(), batch())
    optimizer = method.build_optimizer()
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = method.training_step(batch(), 0)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_a_resumed_run_has_its_labels() -> None:
    method, other = sela(), sela()
    one_pass(method, SinkhornClusterer(), batch())
    resume(other, checkpoint_of(method))
    assert torch.equal(other.labels_of(torch.arange(SIZE)), method.labels_of(torch.arange(SIZE)))
