"""sHHC: its softmax, its leaves from pass to pass, and its checkpoint."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lightning_modules import SHHC
from unlabelled.clustering import ClusterContext, HierarchicalClusterer, SinkhornClusterer
from unlabelled.clustering.base import Assignment
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder
from unlabelled.hierarchy import (
    EuclideanSpace,
    PoincareBall,
    PostClustering,
    TripletEmbedding,
    UniformTriplets,
)
from unlabelled.nn import ClusterHeads

K, H, DIM = 4, 2, 3
NO_FEATURE = torch.empty(0)


class FixedHeads(ClusterHeads):
    """Heads with given outputs ``(B, H, dim)``, whatever the feature is."""

    def __init__(self, outputs: torch.Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.outputs

    def forward_head(self, features: torch.Tensor, head: int) -> torch.Tensor:
        return self.outputs[:, head]


def shhc(**options: Any) -> SHHC:
    torch.manual_seed(0)
    arguments = {"num_clusters": K, "num_heads": H, "dim": DIM, "hidden_dim": 8} | options
    return SHHC(
        SmallImageEncoder(width=4), SmallAudioEncoder(width=4), partial(torch.optim.SGD, lr=0.1), **arguments
    )


def batch(size: int = 12) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "image": torch.randn(size, 3, 16, 16, generator=generator),
        "audio": torch.randn(size, 1, 16, 16, generator=generator),
        "index": torch.arange(size),
    }


def one_pass(method: SHHC, features: dict[str, torch.Tensor], pass_index: int) -> list[Assignment]:
    """Cluster the features of all heads as ClusteringPass does."""
    embedding = TripletEmbedding(dim=DIM, triplets=UniformTriplets(200), epochs=2)
    clusterer = HierarchicalClusterer(SinkhornClusterer(), PostClustering(embedding))
    size = len(features["audio"])
    method.pseudo_labels.allocate(size)
    with torch.no_grad():
        method.prepare_clustering(features, pass_index, seed=0)
        assignments = []
        for head in range(method.num_clusterings):
            clustered = method.clustered_features(features, head)
            context = ClusterContext(head, K, method.num_modalities(head), 0, pass_index, clustered)
            assignments.append(clusterer(method.cluster_scores(features, head), context))
            method.pseudo_labels.publish(head, torch.arange(size), assignments[-1].labels)
            method.use_assignment(head, assignments[-1])
    return assignments


def passed(**options: Any) -> tuple[SHHC, dict[str, torch.Tensor], list[Assignment]]:
    method = shhc(**options).eval()
    with torch.no_grad():
        features = method.embed(batch())
    return method, features, one_pass(method, features, 0)


def test_the_softmax_over_hyperbolic_distances_of_the_worked_example() -> None:
    """See docs/methods/shhc.md#worked-examples."""
    method = shhc(num_clusters=3, num_heads=1, dim=2)
    leaves = torch.tensor([[0.5, 0], [-0.3, 0.4], [0, -0.7]], dtype=torch.float64)
    method.prototypes[:] = leaves
    outputs = torch.tensor([[[0.4, 0.3]] * 2], dtype=torch.float64)
    expected = torch.tensor([0.620892038521, 0.273577347593, 0.105530613886], dtype=torch.float64)
    method.heads["image"] = FixedHeads(outputs)
    probabilities = method.logits("image", NO_FEATURE).softmax(2)
    torch.testing.assert_close(probabilities, expected.expand(1, 2, 3), atol=1e-11, rtol=0)
    torch.testing.assert_close(
        method.logits("image", NO_FEATURE, 1).softmax(1), expected[None], atol=1e-11, rtol=0
    )
    cold = shhc(num_clusters=3, num_heads=1, dim=2, temperature=0.1)
    cold.prototypes[:] = leaves
    cold.heads["image"] = FixedHeads(outputs)
    sharp = torch.tensor([0.999724226628, 0.000275753258, 0.000000020114], dtype=torch.float64)
    torch.testing.assert_close(cold.logits("image", NO_FEATURE).softmax(2)[0, 0], sharp, atol=1e-11, rtol=0)


def test_flat_space_measures_flat_distances() -> None:
    method = shhc(num_clusters=2, num_heads=1, dim=2, manifold=EuclideanSpace())
    method.prototypes[:] = torch.tensor([[3.0, 4.0], [0, 1]], dtype=torch.float64)
    method.heads["audio"] = FixedHeads(torch.zeros(1, 2, 2))
    logits = method.logits("audio", NO_FEATURE)
    torch.testing.assert_close(logits[0], torch.tensor([[-5.0, -1]] * 2, dtype=torch.float64))


def test_a_modality_is_clustered_by_its_own_features_and_learned_by_both() -> None:
    method, features, assignments = passed()
    assert method.clustering_names == ["image", "audio"]
    for head, assignment in enumerate(assignments):
        unit = F.normalize(features["image" if head < H else "audio"].double(), dim=1)
        tree = assignment.hierarchy
        assert tree is not None
        for leaf, cluster in enumerate(tree.clusters.tolist()):
            members = unit[assignment.labels == cluster]
            torch.testing.assert_close(tree.centroids[leaf], members.mean(0), atol=1e-6, rtol=0)
    table = method.pseudo_labels.table.long()
    assert table.shape == (12, 2 * H)
    probabilities = method.log_probs(features)
    assert {name: tuple(value.shape) for name, value in probabilities.items()} == {
        "image": (12, 2 * H, K),
        "audio": (12, 2 * H, K),
    }
    for value in probabilities.values():
        torch.testing.assert_close(value.exp().sum(2), torch.ones(12, 2 * H, dtype=torch.float64))


def test_the_loss_is_the_mean_over_the_four_kinds_of_heads() -> None:
    method, features, _ = passed(dropout=0.0)
    method.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    loss = method.training_step(batch(), 0)["loss"]
    by_hand = [
        F.nll_loss(value[:, head], method.pseudo_labels.table[:, head].long())
        for value in method.log_probs(features).values()
        for head in range(2 * H)
    ]
    torch.testing.assert_close(loss, torch.stack(by_hand).mean(), atol=1e-6, rtol=0)
    loss.backward()
    for name in ("image", "audio"):
        for parameter in (*method.encoders[name].parameters(), *method.heads[name].parameters()):
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()
    assert method.prototypes.grad is None


def test_before_the_first_pass_nothing_is_known() -> None:
    method = shhc().eval()
    log_probs = method.evaluation_step(batch())["cluster_log_probs"]
    torch.testing.assert_close(
        log_probs["image"].exp(), torch.full((12, 2 * H, K), 1 / K, dtype=torch.float64)
    )
    assert method.hierarchies == [None] * (2 * H)


def test_the_second_pass_keeps_names_and_frame() -> None:
    method, features, first = passed()
    before = method.prototypes.clone()
    second = one_pass(method, features, 1)
    for head in range(2 * H):
        tree = second[head].hierarchy
        assert tree is not None
        both = before[head].isfinite().all(1) & method.prototypes[head].isfinite().all(1)
        raw = tree.prototypes()[both]
        old, new = before[head][both], method.prototypes[head][both]
        assert (new - old).norm() <= (raw - old).norm() + 1e-12
        torch.testing.assert_close(torch.cdist(new, new), torch.cdist(raw, raw), atol=1e-6, rtol=0)
        kept = method.hierarchies[head]
        assert kept is not None
        torch.testing.assert_close(kept.prototypes()[both], new)
    assert len(first) == len(second) == 2 * H


def test_a_hierarchy_that_was_only_rotated_changes_nothing() -> None:
    method, _, assignments = passed()
    before = method.prototypes.clone()
    generator = torch.Generator().manual_seed(2)
    rotation = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator, dtype=torch.float64)).Q
    for head, assignment in enumerate(assignments):
        tree = assignment.hierarchy
        assert tree is not None
        assert tree.points is not None
        rotated = replace(tree, points=tree.points @ rotation)
        assert (rotated.prototypes() - before[head]).nan_to_num().norm() > 0.1
        method.use_assignment(head, replace(assignment, hierarchy=rotated))
    torch.testing.assert_close(method.prototypes, before, equal_nan=True)


def test_the_first_scores_are_of_spherical_centroids() -> None:
    method = shhc(hierarchies_of="all", num_clusters=3).eval()
    with torch.no_grad():
        features = method.embed(batch())
    method.prepare_clustering(features, 0, seed=0)
    unit = {name: F.normalize(value, dim=1) for name, value in features.items()}
    both = torch.cat(list(unit.values()), 1) / 2**0.5
    for head, rows in enumerate(rows for rows in (*unit.values(), both) for _ in range(H)):
        centroids = method._first_centroids[head]
        torch.testing.assert_close(centroids.norm(dim=1), torch.ones(3))
        labels = (rows @ centroids.T).argmax(1)
        for cluster in labels.unique():  # k-means has nearly settled: means point where centroids do
            mean = rows[labels == cluster].mean(0)
            assert F.cosine_similarity(mean, centroids[cluster], dim=0) > 0.99
        expected = (rows @ centroids.T * 10).log_softmax(1)
        torch.testing.assert_close(method.cluster_scores(features, head), expected)
    assert not torch.equal(method._first_centroids[0], method._first_centroids[1])


def test_distributed_training_leaves_the_prototypes_alone() -> None:
    method = shhc()
    assert method._ddp_params_and_buffers_to_ignore == ["prototypes"]
    assert "prototypes" in dict(method.named_buffers())
    assert "prototypes" in method.state_dict()


def test_clusters_that_are_no_leaves_are_neither_predicted_nor_targets() -> None:
    method, features, _ = passed()
    method.prototypes[0, 1] = torch.nan
    method.pseudo_labels.table[:3, 0] = 1
    method.pseudo_labels.table[3, 1] = -1
    targets = method.labels_of(torch.arange(12))
    assert targets[:3, 0].tolist() == [-1, -1, -1]
    assert targets[3, 1] == -1
    untouched = torch.ones(12, 2 * H, dtype=torch.bool)
    untouched[:, 0] = method.pseudo_labels.table[:, 0] != 1
    assert torch.equal(targets[untouched], method.pseudo_labels.table.long()[untouched])
    assert method.log_probs(features)["audio"][:, 0, 1].isneginf().all()
    assert method.cluster_scores(features, 0)[:, 1].isneginf().all()
    method.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    assert method.training_step(batch(), 0)["loss"].isfinite()


def test_joint_labels_are_read_off_both_modalities() -> None:
    method, features, assignments = passed(hierarchies_of="joint")
    assert method.clustering_names == ["image+audio"]
    assert len(assignments) == H
    assert (method.num_modalities(0), shhc().num_modalities(0)) == (2, 1)
    fresh = shhc(hierarchies_of="joint").eval()
    fresh.prepare_clustering(features, 0, seed=0)
    assert fresh.num_modalities(0) == 1  # the first scores are one soft-max, of both features side by side
    torch.testing.assert_close(fresh.cluster_scores(features, 0).exp().sum(1), torch.ones(12))
    widths = [value.shape[1] for value in features.values()]
    assert method.clustered_features(features, 0).shape == (12, sum(widths))
    scores = method.cluster_scores(features, 1)
    expected = sum(value[:, 1] for value in method.log_probs(features).values())
    torch.testing.assert_close(scores.double(), expected, atol=1e-4, rtol=0)


def test_hierarchies_of_each_modality_and_of_both() -> None:
    method, features, assignments = passed(hierarchies_of="all")
    assert method.clustering_names == ["image", "audio", "image+audio"]
    assert len(assignments) == 3 * H
    assert [method.num_modalities(head) for head in range(3 * H)] == [1, 1, 1, 1, 2, 2]
    assert method.log_probs(features)["image"].shape == (12, 3 * H, K)


def test_autocast_does_not_touch_the_distances() -> None:
    method, features, _ = passed()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = method.heads["image"](features["image"])
        logits = method.logits("image", features["image"])
    assert outputs.dtype == torch.bfloat16
    assert logits.dtype == torch.float64
    distances = method.manifold.pairwise_distance(
        method.manifold.embed(outputs[:, 0].double()), method.prototypes[0].nan_to_num()
    )
    leaves = method.prototypes[0].isfinite().all(1)
    torch.testing.assert_close(logits[:, 0, leaves], -distances[:, leaves])
    method.heads["image"] = FixedHeads(outputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow, one = method.logits("image", NO_FEATURE), method.logits("image", NO_FEATURE, 1)
    method.heads["image"] = FixedHeads(outputs.double())
    assert torch.equal(narrow, method.logits("image", NO_FEATURE))
    torch.testing.assert_close(one, narrow[:, 1])


def test_the_checkpoint_has_leaves_and_trees() -> None:
    method, features, _ = passed()
    checkpoint: dict[str, Any] = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    other = shhc().eval()
    other.on_load_checkpoint(checkpoint)
    other.load_state_dict(checkpoint["state_dict"])
    for mine, theirs in zip(method.hierarchies, other.hierarchies, strict=True):
        assert mine is not None
        assert theirs is not None
        assert mine.tree.merges.tolist() == theirs.tree.merges.tolist()
    for name, value in method.log_probs(features).items():
        assert torch.equal(value, other.log_probs(features)[name])
    assert torch.equal(other.labels_of(torch.arange(12)), method.labels_of(torch.arange(12)))


def test_complaints() -> None:
    with pytest.raises(ValueError, match=r"temperature is 0\.0"):
        shhc(temperature=0.0)
    with pytest.raises(ValueError, match="different modalities"):
        SHHC(SmallAudioEncoder(width=4), SmallAudioEncoder(width=4), partial(torch.optim.SGD, lr=0.1))
    with pytest.raises(ValueError, match="hierarchies_of is 'every'"):
        shhc(hierarchies_of="every")
    method, _, assignments = passed()
    with pytest.raises(ValueError, match="returns none; use unlabelled"):
        method.use_assignment(0, Assignment(assignments[0].labels))
    with pytest.raises(ValueError, match="4 clusters in 3 dimensions, the heads 4 in 5"):
        shhc(dim=5, manifold=PoincareBall(2.0)).use_assignment(0, assignments[0])
