"""Simplified DMC: its loss by hand, its maps, and its encoders."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_modules import SimplifiedDMC
from tests.lightning_modules.test_dmc import Plain, clips
from unlabelled.contracts import Embeds, Localises, ScoresPairs
from unlabelled.encoders import AudioResNet, ImageResNet


class Silent(SimplifiedDMC):
    """There is no trainer to log to."""

    def log(self, *args: Any, **kwargs: Any) -> None:
        self.logged = {**getattr(self, "logged", {}), args[0]: float(args[1])}


def method(**options: Any) -> Silent:
    torch.manual_seed(0)
    optimizer = partial(torch.optim.Adam, lr=1e-3)
    return Silent(Plain("image"), Plain("audio"), optimizer, **{"dim": 8, "visual_clusters": 3, **options})


def distance(visual: Tensor, audio: Tensor) -> Tensor:
    """Return ``(n, m)``, of n images with m audio tracks."""
    return torch.stack([torch.stack([torch.cdist(a, v).amin(1).norm() for a in audio]) for v in visual])


def test_loss_of_a_batch_is_that_of_its_pairs() -> None:
    module, batch = method(audio_clusters=2, margin=1.5), clips()
    loss = float(module.training_step(batch, 0)["loss"].detach())
    codes = module.pair_codes(batch, module.feature_maps(batch))
    pairs = distance(codes["visual"], codes["audio"]).detach()
    own, rows = pairs.diagonal().square() / 2, torch.arange(6)
    apart = (1.5 - pairs).relu().square() / 2
    expected = [float(torch.cat([own, apart[(rows + d) % 6, rows]]).mean()) for d in range(1, 6)]
    assert min(abs(loss - value) for value in expected) < 1e-5
    scores = module.pair_scores(codes["visual"], codes["audio"])
    torch.testing.assert_close(scores, -pairs.diagonal(), atol=1e-4, rtol=1e-4)
    assert module.logged["train/loss"] == pytest.approx(loss)


def test_silent_tracks_and_single_videos_make_no_mismatch() -> None:
    module, batch = method(), clips()
    batch["index"] = torch.zeros(6, dtype=torch.int64)
    module.training_step(batch, 0)
    assert module.logged["train/wrong_distance"] == 0
    batch["index"], batch["silent"] = torch.arange(6), torch.ones(6, dtype=torch.bool)
    module.training_step(batch, 0)
    assert module.logged["train/wrong_distance"] == 0


def test_the_map_is_that_of_the_cluster_nearest_to_the_audio() -> None:
    module, batch = method(), clips()
    assert all(isinstance(module, promise) for promise in (Embeds, ScoresPairs, Localises))
    found = module.localise(batch)
    codes = module.pair_codes(batch, module.feature_maps(batch))
    nearest = torch.cdist(codes["audio"], codes["visual"])[:, 0].argmin(1)
    assert found.cluster_maps.shape == (6, 3, 4, 5)
    torch.testing.assert_close(found.maps, found.cluster_maps[torch.arange(6), nearest])


def test_it_learns_a_batch() -> None:
    module, batch = method(margin=1.0), clips()
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        loss = module.training_step(batch, 0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_the_last_stage_can_keep_its_resolution() -> None:
    images, audio = torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 201)
    for encoder, inputs, shape in (
        (ImageResNet(18, last_stride=1), images, (4, 4)),
        (ImageResNet(50, last_stride=1), images, (4, 4)),
        (ImageResNet(18), images, (2, 2)),
        (AudioResNet(18, last_stride=1), audio, (4, 13)),
    ):
        assert encoder.eval().feature_maps(inputs).shape[2:] == shape
    with pytest.raises(ValueError, match="last_stride=3 must be 1 or 2"):
        ImageResNet(18, last_stride=3)
    assert isinstance(ImageResNet(18, last_stride=1).trunk[-1], nn.Sequential)


def test_a_wrong_number_is_named() -> None:
    with pytest.raises(ValueError, match="visual_clusters=0"):
        method(visual_clusters=0)
