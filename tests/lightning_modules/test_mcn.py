"""MCN: sums of features, three losses, and centroids that wait for a full queue."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.training.centroid_update import CentroidUpdate
from callbacks.training.queue_update import QueueUpdate
from lightning_modules import MCN
from tests._helpers.tri_modal import ADAM, TEXT, VIDEO, Clips, clips, norm_free, trainer
from tests.lightning_modules.test_sspc import Terms
from tests.lightning_modules.test_text_video_audio import logged
from unlabelled.contracts import HasCentroids, HasQueues
from unlabelled.encoders import ClipAudio, ClipText, ClipVideo, DAVEnet

MODALITIES = ("text", "video", "audio")


def mcn(dim: int = 10, **kwargs: Any) -> MCN:
    torch.manual_seed(0)
    module = MCN(
        ClipText(TEXT, dim),
        ClipVideo(VIDEO, dim),
        ClipAudio(dim, DAVEnet([6, 8], [1, 1], stem=4)),
        ADAM,
        **{"num_centroids": 4, "queue_size": 16, "reconstruction_dim": 7, **kwargs},
    )
    norm_free(module)
    return module


def test_features_by_name() -> None:
    module, batch = mcn().eval(), clips(8, empty=0.4)
    features = module.evaluation_step(batch)["features"]
    assert list(features) == ["text", "video", "audio", "text+video", "text+audio", "video+audio"]
    there = batch["audio_mask"].any(1)
    assert 0 < there.sum() < 8
    both = features["video"] + features["audio"]
    torch.testing.assert_close(features["video+audio"], torch.where(there[:, None], both, features["video"]))
    text = {name: value for name, value in batch.items() if name.startswith("text")}
    torch.testing.assert_close(module.embed(text)["text+video"], features["text"])
    with pytest.raises(ValueError, match=r"has no text, video_features or audio; it has \['index'\]"):
        module.embed({"index": batch["index"]})


def test_the_three_losses() -> None:
    module, batch = mcn(cluster_weight=2.0, reconstruction_weight=3.0), clips(8, empty=0)
    values = logged(module)
    module.centroids.fit(torch.randn(16, 10))
    loss = float(module.training_step(batch, 0)["loss"].detach())
    with torch.no_grad():
        features = {name: module.encoders[name](batch) for name in MODALITIES}
        pooled = {name: module.encoders[name].pool(batch).values for name in MODALITIES}
        decoded = {name: module.decoders[name](feature) for name, feature in features.items()}
        fused = sum(features.values()) / 3
    target, margin = torch.arange(8), 0.001

    def mms(a: Tensor, b: Tensor) -> Tensor:
        scores = a @ b.T - margin * torch.eye(8)
        return F.cross_entropy(scores, target) + F.cross_entropy(scores.T, target)

    expected = sum(mms(features[a], features[b]) for a, b in combinations(MODALITIES, 2))
    assert values["train/mms"] == pytest.approx(float(expected), rel=1e-4)
    centroids = module.centroids.centroids
    labels = (F.normalize(fused, dim=1) @ F.normalize(centroids, dim=1).T).argmax(1)
    logits = [z @ centroids.T - margin * F.one_hot(labels, 4) for z in features.values()]
    cluster = sum(F.cross_entropy(one, labels) for one in logits) / 3
    assert values["train/cluster"] == pytest.approx(float(cluster), rel=1e-4)
    errors = [(decoded[name] - pooled[name]).square().mean() for name in MODALITIES]
    assert values["train/reconstruction"] == pytest.approx(float(sum(errors)), rel=1e-4)
    assert loss == pytest.approx(float(expected + 2 * cluster + 3 * sum(errors)), rel=1e-4)
    assert loss == values["train/loss"]


@pytest.mark.parametrize("empty", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("options", [{}, {"reconstruction_weight": 0.0}])
def test_every_parameter_gets_a_gradient(options: dict[str, float], empty: float) -> None:
    module = mcn(**options)
    logged(module)
    module.training_step(clips(8, empty=empty), 0)["loss"].backward()
    assert not [name for name, parameter in module.named_parameters() if parameter.grad is None]
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())


def test_half_the_clips_of_each_video_are_remembered() -> None:
    module, batch = mcn().eval(), clips(8, empty=0.3)
    logged(module)
    (rows,) = module.training_step(batch, 0)["keys"]["fused"]
    features = {name: module.encoders[name](batch).detach() for name in MODALITIES}
    for row, clip in zip(rows, (0, 2, 4, 6), strict=True):  # videos of two clips
        there = [features[name][clip] for name in MODALITIES if batch[f"{name}_mask"][clip].any()]
        torch.testing.assert_close(row, torch.stack(there).mean(0))


def test_clusters_wait_for_a_full_queue(tmp_path: Path) -> None:
    module, terms = mcn(), Terms()
    assert isinstance(module, HasQueues)
    assert isinstance(module, HasCentroids)
    batches = [clips(8, seed) for seed in range(8)]  # four rows a step: full after four
    callbacks = [CentroidUpdate(3), QueueUpdate(), terms]
    trainer(tmp_path, *callbacks, max_epochs=1).fit(module, Clips(batches))
    assert [step for step, value in enumerate(terms.values, 1) if "train/cluster" in value] == [7, 8]
    assert bool(module.centroids.fitted)
    with pytest.raises(MisconfigurationException, match=r"MCN needs callbacks\.CentroidUpdate"):
        trainer(tmp_path, QueueUpdate()).fit(mcn(), Clips(batches))


def test_it_learns(tmp_path: Path) -> None:
    module, terms = mcn(dim=16, queue_size=64, reconstruction_weight=5.0), Terms()
    held_out = clips(128, seed=77, empty=0)

    def hits() -> float:
        with torch.no_grad():
            features = module.eval().embed(held_out)
        nearest = (features["text"] @ features["video+audio"].T).argmax(1)
        return float((held_out["label"][nearest] == held_out["label"]).float().mean())

    before = hits()
    batches = [clips(32, seed) for seed in range(8)]
    callbacks = [QueueUpdate(), CentroidUpdate(4), terms]
    trainer(tmp_path, *callbacks, max_epochs=8).fit(module.train(), Clips(batches))
    assert before < 0.6
    assert hits() > 0.85
    for name in ("mms", "reconstruction"):
        assert terms.values[-1][f"train/{name}"] < 0.9 * terms.values[0][f"train/{name}"]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="queue_size=3 is below num_centroids=4"):
        mcn(queue_size=3)
    audio = ClipAudio(8, DAVEnet([4], [1], stem=4))
    with pytest.raises(ValueError, match=r"one size, got \{'text': 6, 'video': 6, 'audio': 8\}"):
        MCN(ClipText(TEXT, 6), ClipVideo(VIDEO, 6), audio, ADAM)
