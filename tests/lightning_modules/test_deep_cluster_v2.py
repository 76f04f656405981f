"""DeepCluster-v2: views, what is remembered of them, and centroids that classify."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lightning_modules import DeepClusterV2
from tests._helpers.clustering_passes import SIZE, checkpoint_of, one_pass, resume, silent
from unlabelled.batch import Batch
from unlabelled.clustering import Assignment, KMeansClusterer
from unlabelled.contracts import LearnsFromAssignments, PredictsClusters
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder
from unlabelled.nn.heads import MLP

K, H, P = 5, 3, 6
CLUSTERER = KMeansClusterer(iterations=10, spherical=True)


def v2(**options: Any) -> DeepClusterV2:
    torch.manual_seed(0)
    projector = partial(MLP, hidden_dim=8, out_dim=P)
    encoder = options.pop("encoder", None) or SmallImageEncoder(width=2)
    method = DeepClusterV2(encoder, partial(torch.optim.SGD, lr=1.0), projector, K, H, **options)
    silent(method)
    return method


def crops(sizes: tuple[int, ...] = (16, 16, 8), channels: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(2)
    samples = torch.randn(SIZE, channels, max(sizes), max(sizes), generator=generator)
    noise = [0.1 * torch.randn(samples.shape, generator=generator) for _ in sizes]
    views = [(samples + each)[..., :size, :size] for size, each in zip(sizes, noise, strict=True)]
    return {"views": views, "index": torch.arange(SIZE)}


def test_it_learns_from_centroids_and_predicts_no_clusters() -> None:
    assert isinstance(v2(), LearnsFromAssignments)
    assert not isinstance(v2(), PredictsClusters)


def test_prototypes_are_the_unit_centroids_of_the_views_in_turn() -> None:
    method = v2()
    assignments = one_pass(method, CLUSTERER, crops())
    features = method.eval().embed(crops())
    assert features.keys() == {"view0", "view1"}  # a pass remembers no others
    prototypes = method.heads["image"].prototypes
    torch.testing.assert_close(prototypes.norm(dim=2), torch.ones(H, K))
    for head, assignment in enumerate(assignments):
        embeddings = features[f"view{head % 2}"]
        assert assignment.centroids is not None
        assert torch.equal(prototypes[head], assignment.centroids)
        assert torch.equal((embeddings @ prototypes[head].T).argmax(1), method.pseudo_labels.table[:, head])
        for cluster in range(K):  # spherical means: as near as ten updates come
            members = embeddings[assignment.labels == cluster]
            if len(members):
                mean = F.normalize(members.sum(0), dim=0)
                assert float(mean @ prototypes[head, cluster]) > 0.98


def test_all_views_of_a_sample_must_find_its_cluster() -> None:
    """Loss equals that by hand, view by view; in evaluation mode, where BatchNorm does not tie the views."""
    method = v2(num_remembered=3).eval()
    one_pass(method, CLUSTERER, crops())
    prototypes, labels = method.heads["image"].prototypes, method.pseudo_labels.table.long()
    losses = []
    for view in crops()["views"]:
        embedding = F.normalize(method.projector(method.encoders["image"](view)), dim=1)
        losses += [F.cross_entropy(embedding @ prototypes[h].T / 0.1, labels[:, h]) for h in range(H)]
    step = method.training_step(crops(), 0)
    torch.testing.assert_close(step["loss"], torch.stack(losses).mean())


def test_samples_without_a_label_add_nothing() -> None:
    method = v2(num_remembered=3).eval()
    one_pass(method, CLUSTERER, crops())
    method.pseudo_labels.table[12:] = -1
    half: Batch = {"views": [view[:12] for view in crops()["views"]], "index": torch.arange(12)}
    torch.testing.assert_close(
        method.training_step(crops(), 0)["loss"], method.training_step(half, 0)["loss"]
    )


def test_prototypes_have_no_gradient_and_all_else_has() -> None:
    method = v2()
    one_pass(method, CLUSTERER, crops())
    before = method.heads["image"].prototypes.clone()
    assert not list(method.heads.parameters())
    optimizer = method.build_optimizer()
    method.training_step(crops(), 0)["loss"].backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    optimizer.step()
    assert torch.equal(method.heads["image"].prototypes, before)
    assert method._ddp_params_and_buffers_to_ignore == ["heads.image.prototypes"]
    assert method._ddp_params_and_buffers_to_ignore[0] in dict(method.named_buffers())


def test_a_step_remembers_the_first_views_detached() -> None:
    method = v2()
    one_pass(method, CLUSTERER, crops())
    remembered = method.training_step(crops(), 0)["features"]
    assert {name: tuple(value.shape) for name, value in remembered.items()} == {
        "view0": (SIZE, P),
        "view1": (SIZE, P),
    }
    for value in remembered.values():
        assert not value.requires_grad
        torch.testing.assert_close(value.norm(dim=1), torch.ones(SIZE))


def test_crops_of_one_size_go_through_the_network_together() -> None:
    """So BatchNorm sees them as one batch, and the projector all of them."""
    method, seen = v2(), []
    method.encoders["image"].register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    method.projector.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    features = method.embed(crops((16, 16, 8, 8, 8)))
    assert seen == [(2 * SIZE, 3, 16, 16), (3 * SIZE, 3, 8, 8), (5 * SIZE, 16)]
    assert list(features) == [f"view{place}" for place in range(5)]
    method.eval()
    for place, view in enumerate(crops((16, 16, 8))["views"][:2]):
        alone = F.normalize(method.projector(method.encoders["image"](view)), dim=1)
        torch.testing.assert_close(method.embed(crops())[f"view{place}"], alone)


def test_in_evaluation_the_encoder_alone_is_judged() -> None:
    method = v2().eval()
    images = torch.randn(2, 3, 16, 16)
    assert method.embed({"image": images}).keys() == {"image"}
    many = {"image": images[None].transpose(0, 1).expand(2, 3, 3, 16, 16)}  # views of a sample are averaged
    features = method.evaluation_step(many)["features"]["image"]
    torch.testing.assert_close(features, method.embed({"image": images})["image"])


def test_audio_has_views_too() -> None:
    method = v2(encoder=SmallAudioEncoder(width=2))
    one_pass(method, CLUSTERER, crops((16, 16), channels=1))
    assert method.training_step(crops((16, 16), channels=1), 0)["loss"].isfinite()


def test_a_resumed_run_has_prototypes_and_labels() -> None:
    method, other = v2(), v2()
    one_pass(method, CLUSTERER, crops())
    resume(other, checkpoint_of(method))
    assert torch.equal(other.heads["image"].prototypes, method.heads["image"].prototypes)
    losses = [each.eval().training_step(crops(), 0)["loss"] for each in (method, other)]
    assert torch.equal(*losses)


def test_a_few_steps_learn_the_clusters() -> None:
    method = v2()
    with torch.no_grad():
        for _ in range(
            20
        ):  # as BatchNormWarmup does: without it an untrained network does not separate the clusters
            method.embed(crops())
    one_pass(method, CLUSTERER, crops())
    optimizer, losses = method.build_optimizer(), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = method.training_step(crops(), 0)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_complaints() -> None:
    method = v2()
    labels = torch.zeros(SIZE, dtype=torch.int64)
    with pytest.raises(
        ValueError, match=r"centroids of shape \(5, 6\), but the clusterer of the pass has none"
    ):
        method.use_assignment(0, Assignment(labels))
    with pytest.raises(ValueError, match=r"has some of shape \(5, 4\); use .* without whitening"):
        method.use_assignment(0, Assignment(labels, centroids=torch.zeros(K, 4)))
    with pytest.raises(ValueError, match="stores 2 views of a sample, got 0; set --data"):
        one_pass(method, CLUSTERER, {"image": torch.zeros(8, 3, 16, 16), "index": torch.arange(8)})
    with pytest.raises(ValueError, match="num_remembered is 0"):
        v2(num_remembered=0)
    with pytest.raises(ValueError, match="temperature is 0"):
        v2(temperature=0.0)


def test_the_projector_is_the_papers() -> None:
    """2048 to 2048 with BatchNorm and ReLU, to 128: facebookresearch/swav, src/resnet50.py."""
    with torch.device("meta"):
        layers = list(MLP(2048, 2048, 128))
    assert [type(layer) for layer in layers] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
