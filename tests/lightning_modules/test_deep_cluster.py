"""DeepCluster: labels from k-means of its own features, and a top layer that is drawn again."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lightning_modules import DeepCluster
from tests._helpers.clustering_passes import SIZE, batch, checkpoint_of, one_pass, resume, silent
from unlabelled.clustering import ClusterContext, KMeansClusterer, SinkhornClusterer
from unlabelled.contracts import Clusterable, LearnsFromAssignments, PredictsClusters
from unlabelled.encoders import SmallImageEncoder

K = 4
CLUSTERER = KMeansClusterer(iterations=5)


def deep_cluster(optimizer: Any = None, **options: Any) -> DeepCluster:
    torch.manual_seed(0)
    optimizer = optimizer or partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    method = DeepCluster(SmallImageEncoder(width=2), optimizer, K, **options)
    silent(method)
    return method


def step(method: DeepCluster, optimizer: torch.optim.Optimizer) -> float:
    optimizer.zero_grad()
    loss = method.training_step(batch(), 0)["loss"]
    loss.backward()
    optimizer.step()
    return loss.item()


def test_it_is_clustered_by_features_and_predicts_no_clusters() -> None:
    method = deep_cluster()
    assert isinstance(method, Clusterable)
    assert isinstance(method, LearnsFromAssignments)
    assert not isinstance(method, PredictsClusters)
    assert method.num_clusterings == 1


@pytest.mark.parametrize("whitening", [None, 6])
def test_labels_are_the_nearest_centroids_of_its_features(whitening: int | None) -> None:
    method = deep_cluster()
    (assignment,) = one_pass(method, KMeansClusterer(5, whitening=whitening), batch())
    assert torch.equal(method.pseudo_labels.table[:, 0], assignment.labels)
    assert assignment.centroids is not None
    assert assignment.centroids.shape == (K, whitening or 16)
    if whitening is None:
        features = method.eval().embed(batch())["image"]
        assert torch.equal(torch.cdist(features, assignment.centroids).argmin(1), assignment.labels)


def test_features_are_clustered_before_the_relu_that_the_top_layer_sees_them_behind() -> None:
    method = deep_cluster()
    feature = torch.tensor([[-1.0, 2.0] * 8])
    assert torch.equal(method.clustered_features({"image": feature}, 0), feature)
    head = method.heads["image"]
    expected = F.linear(feature.clamp(min=0), head.weight[0], head.bias[0])
    torch.testing.assert_close(method.logits("image", feature)[:, 0], expected)


def test_k_means_leaves_the_features_alone() -> None:
    method = deep_cluster().eval()
    features = method.embed(batch())
    scores = method.cluster_scores(features, 0)
    scores.zero_()  # a clusterer owns its scores
    assert features["image"].abs().max() > 0
    assert torch.equal(method.clustered_features(features, 0), features["image"])


def test_every_pass_brings_a_new_top_layer_of_standard_deviation_001_without_bias() -> None:
    method, optimizer = deep_cluster(), None
    seen = [method.heads["image"].weight.clone()]
    for number in range(3):
        one_pass(method, CLUSTERER, batch(), number)
        head = method.heads["image"]
        assert head.bias.abs().max() == 0
        assert head.weight.std().item() == pytest.approx(0.01, rel=0.35)
        assert all(not torch.equal(head.weight, before) for before in seen)
        seen.append(head.weight.clone())
        optimizer = method.build_optimizer()
        step(method, optimizer)


def test_a_warm_start_keeps_the_top_layer() -> None:
    method = deep_cluster()
    clusterer = KMeansClusterer(warm_start=True)
    one_pass(method, clusterer, batch())
    before = method.heads["image"].weight.clone()
    assert method._renewals == 1  # nothing to continue in the first pass
    features = method.clustered_features(method.embed(batch()), 0)
    context = ClusterContext(0, method.num_clusters, 1, 1, 1, None, method.pseudo_labels.table[:, 0])
    method.use_assignment(0, clusterer(features, context))
    assert torch.equal(method.heads["image"].weight, before)
    assert method._renewals == 1


def test_new_top_layers_depend_on_the_seed_and_on_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def layer(seed: str) -> torch.Tensor:
        monkeypatch.setenv("PL_GLOBAL_SEED", seed)
        method = deep_cluster()
        one_pass(method, CLUSTERER, batch())
        torch.rand(3)  # other random numbers do not matter
        one_pass(method, CLUSTERER, batch(), 1)
        return method.heads["image"].weight.detach().clone()

    assert torch.equal(layer("1"), layer("1"))
    assert not torch.equal(layer("1"), layer("2"))


def test_the_loss_weighs_clusters_alike() -> None:
    """By hand: the mean over clusters of the mean over their members, as every cluster is drawn as often."""
    method = deep_cluster().eval()
    one_pass(method, CLUSTERER, batch())
    method.pseudo_labels.table[:, 0] = torch.tensor([0] * 17 + [1] * 5 + [3] * 2)  # cluster 2 is empty
    labels = method.pseudo_labels.table[:, 0].long()
    each = F.cross_entropy(
        method.heads["image"](method.embed(batch())["image"])[:, 0], labels, reduction="none"
    )
    expected = torch.stack([each[labels == cluster].mean() for cluster in (0, 1, 3)]).mean()
    torch.testing.assert_close(method.training_step(batch(), 0)["loss"], expected)


def test_top_layers_learn_without_momentum_and_at_the_scaled_rate() -> None:
    method = deep_cluster()
    encoder, top = method.build_optimizer().param_groups
    assert (encoder["momentum"], top["momentum"]) == (0.9, 0.0)
    assert encoder["lr"] == top["lr"] == 0.1
    assert {id(one) for one in top["params"]} == {id(one) for one in method.heads.parameters()}
    assert len(encoder["params"]) + len(top["params"]) == len(list(method.parameters()))


def test_an_adaptive_optimiser_forgets_the_old_top_layer_alone() -> None:
    method = deep_cluster(partial(torch.optim.AdamW, lr=1e-3))
    optimizer = method.build_optimizer()
    assert "momentum" not in optimizer.param_groups[1]
    one_pass(method, CLUSTERER, batch())
    step(method, optimizer)
    optimizer.load_state_dict(optimizer.state_dict())  # as a resumed run does
    one_pass(method, CLUSTERER, batch(), 1)
    assert not any(parameter in optimizer.state for parameter in method.heads.parameters())
    assert all(parameter in optimizer.state for parameter in method.encoders.parameters())
    step(method, optimizer)
    assert all(int(optimizer.state[one]["step"]) == 1 for one in method.heads.parameters())


def test_a_resumed_run_goes_on_with_the_same_top_layers() -> None:
    method, other = deep_cluster(), deep_cluster()
    for number in range(2):
        one_pass(method, CLUSTERER, batch(), number)
    resume(other, checkpoint_of(method))
    for each in (method, other):
        one_pass(each, CLUSTERER, batch(), 2)
    for name, value in method.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    assert torch.equal(method.pseudo_labels.table, other.pseudo_labels.table)
    assert method.pseudo_labels.table.shape == (SIZE, 1)


def test_another_clusterer_of_features_will_do() -> None:
    """Labels are all that the method requires; here Sinkhorn-Knopp takes the features for scores."""
    method = deep_cluster()
    one_pass(method, SinkhornClusterer(), batch())
    assert (method.pseudo_labels.table >= 0).all()
