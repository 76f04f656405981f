"""DMC and L3-Net: compared pairs, trained parameters, and localisation maps."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_modules import DMC, AudioVisual, L3Net
from tests._helpers.embedding_modules import trainer
from unlabelled.clustering.map_clustering import MapClustering
from unlabelled.contracts import Embeds, HasEncoders, Localises, ScoresPairs
from unlabelled.encoders import Encoder, SmallAudioEncoder, SmallVideoEncoder
from unlabelled.losses import MaxMargin, PairCrossEntropy
from unlabelled.losses.pair_ranking import compare_centres
from unlabelled.losses.sound_maps import SoundMap, cluster_weights

ADAM = partial(torch.optim.Adam, lr=1e-3)
SMALL = partial(MapClustering, num_clusters=4, dim=8)


class Silence(DMC):
    """There is no trainer to log to."""

    def log(self, *args: Any, **kwargs: Any) -> None:
        self.logged = {**getattr(self, "logged", {}), args[0]: float(args[1])}


class SilentL3(L3Net):
    """Likewise."""

    log = Silence.log


class Plain(Encoder):
    """One convolution, the same for one sample as for many."""

    def __init__(self, modality: str, dim: int = 12, trainable: bool = True) -> None:
        super().__init__()
        self.modality, self.dim = modality, dim
        self.trunk = nn.Conv2d(1 if modality == "audio" else 3, dim, 4, 4)
        self.requires_grad_(trainable)

    def feature_maps(self, inputs: Tensor) -> Tensor:
        maps: Tensor = self.trunk(inputs)
        return maps


class Normed(Plain):
    """With running statistics."""

    def __init__(self, modality: str, trainable: bool = True) -> None:
        super().__init__(modality)
        self.norm = nn.BatchNorm2d(self.dim)
        self.requires_grad_(trainable)

    def feature_maps(self, inputs: Tensor) -> Tensor:
        return self.norm(super().feature_maps(inputs)).relu()


class Patches(Encoder):
    """Sees nothing of a place but its own pixels."""

    modality = "image"
    dim = 32

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 32, 4, 4), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU())

    def feature_maps(self, inputs: Tensor) -> Tensor:
        maps: Tensor = self.trunk(inputs)
        return maps


def method(cls: type[AudioVisual] = Silence, **options: Any) -> Any:
    torch.manual_seed(0)
    own: dict[str, Any] = {"clustering": SMALL} if issubclass(cls, DMC) else {}
    encoders = {"visual_encoder": Plain("image"), "audio_encoder": Plain("audio")}
    return cls(**{**encoders, "optimizer": ADAM, **own, **options})


def clips(rows: int = 6, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.randn(rows, 3, 16, 20, generator=generator),
        "audio": torch.randn(rows, 1, 16, 24, generator=generator),
        "index": torch.arange(rows),
        "replaced": torch.full((rows,), -1),
    }


def centres(module: DMC, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    codes = module.pair_codes(batch, module.feature_maps(batch))
    return codes["visual"], codes["audio"]


def test_what_they_promise() -> None:
    dmc, l3 = method(), method(SilentL3)
    for promise in (Embeds, HasEncoders, ScoresPairs):
        assert isinstance(dmc, promise)
        assert isinstance(l3, promise)
    assert isinstance(dmc, Localises)
    assert not isinstance(l3, Localises)


@pytest.mark.parametrize("negatives", ["all", "hardest", "one_random"])
def test_loss_of_a_batch_is_that_of_its_pairs(negatives: Any) -> None:
    module, batch = method(loss=MaxMargin(0.7, negatives)), clips()
    loss = module.training_step(batch, 0)["loss"]
    visual, audio = (F.normalize(one, dim=-1) for one in centres(module, batch))
    rows = [[(visual[i] * audio[j]).sum(-1).mean() for j in range(6)] for i in range(6)]
    similar = torch.stack([torch.stack(row) for row in rows]).detach()
    short = (0.7 + similar - similar.diagonal()[:, None]).relu()
    other = (0.7 + similar.T - similar.diagonal()[:, None]).relu()
    off = ~torch.eye(6, dtype=torch.bool)
    if negatives == "all":
        expected = [float((short[off].sum() + other[off].sum()) / 60)]
    elif negatives == "hardest":
        best = [part.masked_fill(~off, -1).amax(1).sum() for part in (short, other)]
        expected = [float(sum(best) / 12)]
    else:  # every clip with the one that is so many places ahead
        expected = [float(short[torch.arange(6), (torch.arange(6) + d) % 6].mean()) for d in range(1, 6)]
    assert min(abs(float(loss.detach()) - value) for value in expected) < 1e-6


def test_contrastive_variant_by_hand() -> None:
    module, batch = method(loss=PairCrossEntropy(0.2)), clips()
    loss = module.training_step(batch, 0)["loss"]
    visual, audio = (F.normalize(one, dim=-1) for one in centres(module, batch))
    logits = torch.einsum("ikd,jkd->ij", visual, audio) / 4 / 0.2
    truth = torch.arange(6)
    expected = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("loss", [MaxMargin(), MaxMargin(negatives="hardest"), PairCrossEntropy()])
def test_one_videos_clips_and_silence_are_no_negatives(loss: Any) -> None:
    """Clips of the same video, and clips whose audio is silent, change nothing for the others."""
    batch = clips(4)
    batch["index"] = torch.tensor([0, 1, 0, 2])
    module = method(loss=loss)
    first = module.training_step(batch, 0)["loss"]
    changed = {**batch, "audio": batch["audio"].clone(), "silent": torch.tensor([False, False, False, True])}
    silenced = module.training_step(changed, 0)["loss"]
    assert not torch.equal(first, silenced)
    grad = torch.autograd.grad(_to_audio(module, changed, 3), module.parameters(), allow_unused=True)
    assert any(part is not None for part in grad)  # the silent clip's own pair still counts

    codes = [one.detach().requires_grad_() for one in centres(module, batch)]
    compared = compare_centres(codes[0], codes[1], batch["index"], changed["silent"])
    assert compared.image_mismatches.tolist() == [
        [False, True, False, False],
        [True, False, True, False],
        [False, True, False, False],
        [True, True, True, False],
    ]
    assert compared.audio_mismatches.tolist() == [
        [False, True, False, True],
        [True, False, True, True],
        [False, True, False, True],
        [False, False, False, False],
    ]


def _to_audio(module: DMC, batch: dict[str, Tensor], row: int) -> Tensor:
    visual, audio = centres(module, batch)
    return module.pair_scores(visual[row : row + 1], audio[row : row + 1]).sum()


def test_a_batch_without_wrong_pairs_gives_zero_with_a_gradient() -> None:
    batch = {**clips(3), "index": torch.zeros(3, dtype=torch.int64)}
    for loss in (MaxMargin(), MaxMargin(negatives="one_random"), PairCrossEntropy()):
        module = method(loss=loss)
        value = module.training_step(batch, 0)["loss"]
        value.backward()
        assert float(value) == pytest.approx(0, abs=1e-6)
    l3 = method(SilentL3)
    l3.training_step(batch, 0)["loss"].backward()
    assert l3.logged["train/loss"] > 0  # of the true pairs


def test_l3_judges_true_and_wrong_pairs_alike() -> None:
    module, batch = method(SilentL3), clips()
    loss = module.training_step(batch, 0)["loss"]
    features = module.embed(batch)
    answers = module.fusion(torch.cat([features["image"], features["audio"]], 1)).log_softmax(1)
    options = []
    for distance in range(1, 6):
        others = features["audio"].roll(-distance, 0)
        wrong = module.fusion(torch.cat([features["image"], others], 1)).log_softmax(1)
        options.append(float(-(answers[:, 1].mean() + wrong[:, 0].mean()) / 2))
    assert min(abs(float(loss) - option) for option in options) < 1e-6
    out = module.evaluation_step(batch)["pair_codes"]
    torch.testing.assert_close(module.pair_scores(out["visual"], out["audio"]), answers[:, 1] - answers[:, 0])


def test_what_is_logged() -> None:
    module = method()
    module.training_step(clips(), 0)
    logged = {name.removeprefix("train/"): value for name, value in module.logged.items()}
    assert set(logged) == {
        *("loss", "active_hinges", "true_cosine", "wrong_cosine", "gap", "recall@1"),
        *(f"{name}/{side}" for name in ("usage_entropy", "sharpness", "objective_change") for side in SIDES),
    }
    assert logged["gap"] == pytest.approx(logged["true_cosine"] - logged["wrong_cosine"], abs=1e-6)
    for side in SIDES:
        assert 0 < logged[f"usage_entropy/{side}"] <= math.log(4) + 1e-6
        assert 0.25 <= logged[f"sharpness/{side}"] <= 1
        assert logged[f"objective_change/{side}"] <= 0


SIDES = ("visual", "audio")


def test_padding_of_audio_changes_nothing() -> None:
    module, batch = method(), clips()
    mask = torch.arange(24).expand(6, -1) < 16
    louder = {**batch, "audio": batch["audio"].clone()}
    louder["audio"][..., 16:] = 7.0
    both = [centres(module, {**each, "audio_mask": mask})[1] for each in (batch, louder)]
    torch.testing.assert_close(*both)
    short = {**batch, "audio": batch["audio"][..., :16]}
    torch.testing.assert_close(both[0], centres(module, short)[1])
    assert not torch.equal(both[0], centres(module, louder)[1])


def test_features_of_what_there_is() -> None:
    module, batch = method(), clips()
    out = module.evaluation_step(batch)
    assert {name: tuple(part.shape) for name, part in out["features"].items()} == {
        "image": (6, 12),
        "audio": (6, 12),
    }
    for name, feature in module.embed(batch).items():
        torch.testing.assert_close(out["features"][name], feature)
    assert set(module.embed({"audio": batch["audio"]})) == {"audio"}
    views = {"audio": batch["audio"].unsqueeze(1).expand(-1, 3, -1, -1, -1)}
    torch.testing.assert_close(module.evaluation_step(views)["features"]["audio"], out["features"]["audio"])
    with pytest.raises(ValueError, match="neither of image, audio"):
        module.embed({"text": batch["audio"]})


def test_frozen_encoder_stays_as_it_is() -> None:
    batch = clips()
    frozen, learning = Normed("image", trainable=False), Normed("audio")
    module = method(visual_encoder=frozen, audio_encoder=learning)
    module.train()
    assert not frozen.training
    assert learning.training
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    optimizer = module.build_optimizer()
    for _ in range(3):
        optimizer.zero_grad()
        module.training_step(batch, 0)["loss"].backward()
        optimizer.step()
    for name, value in frozen.state_dict().items():
        assert torch.equal(value, before[name]), name
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert known == {id(p) for p in module.parameters() if p.requires_grad}
    assert all(parameter.grad is not None for parameter in module.parameters() if parameter.requires_grad)


def test_gradient_reaches_both_encoders_and_every_place() -> None:
    module, batch = method(), clips()
    batch = {**batch, "image": batch["image"].requires_grad_(), "audio": batch["audio"].requires_grad_()}
    module.training_step(batch, 0)["loss"].backward()
    for name in ("image", "audio"):
        assert batch[name].grad is not None
        places = F.max_pool2d(batch[name].grad.abs().amax(1, keepdim=True), 4)  # each place's own pixels
        assert (places > 0).all()


def test_different_channels_need_an_adapter() -> None:
    with pytest.raises(ValueError, match=r"12 \(visual\) and 8 \(audio\) channels.*set adapter_dim"):
        method(audio_encoder=Plain("audio", 8))
    module = method(audio_encoder=Plain("audio", 8), adapter_dim=10)
    assert module.clustering.in_dim == 10
    assert math.isfinite(float(module.training_step(clips(), 0)["loss"]))
    with pytest.raises(ValueError, match="expected image or video, and audio"):
        method(visual_encoder=Plain("audio"))


def test_video_encoder_and_its_maps() -> None:
    module = method(visual_encoder=SmallVideoEncoder(2), audio_encoder=SmallAudioEncoder(2))
    batch = {**clips(), "video": torch.randn(6, 3, 4, 32, 48)}
    assert math.isfinite(float(module.training_step(batch, 0)["loss"]))
    found = module.localise(batch)
    assert found.maps.shape == (6, 2, 3)
    assert found.cluster_maps.shape == (6, 4, 2, 3)
    torch.testing.assert_close(found.cluster_maps.sum(1), torch.ones(6, 2, 3))


@pytest.mark.parametrize("kind", ["best_cluster", "weighted", "distinctive", "cosine"])
def test_maps_by_hand(kind: SoundMap) -> None:
    module, batch = method(sound_map=kind), clips()
    module.training_step(clips(seed=1), 0)  # so that there is a typical audio
    found = module.localise(batch)
    maps = module.feature_maps(batch)
    descriptors = {name: part.flatten(2).transpose(1, 2) for name, part in maps.items()}
    visual, audio = (module.clustering(descriptors[name]) for name in ("image", "audio"))
    for clip in range(6):
        v, a = F.normalize(visual.centres[clip], dim=1), F.normalize(audio.centres[clip], dim=1)
        cosines = (v * a).sum(1)
        assigned = visual.assignments[clip]
        if kind == "best_cluster":
            expected = assigned[int(cosines.argmax())]
        elif kind != "cosine":
            more = cosines - (v * module.typical_audio).sum(1) if kind == "distinctive" else cosines
            weights = more.clamp(min=0) if more.max() > 0 else (more == more.max()).float()
            expected = (weights[:, None] * assigned).sum(0)
        else:
            places = F.normalize(module.clustering.project(descriptors["image"])[clip], dim=2)
            expected = (places * a[:, None]).sum(2).amax(0)
        torch.testing.assert_close(found.maps[clip].flatten(), expected)
    assert found.cluster_maps.shape == (6, 4, 4, 5)


def test_typical_audio_is_the_mean_of_the_first_steps() -> None:
    module = method()
    units = []
    for seed in range(3):
        batch = clips(seed=seed)
        units.append(F.normalize(centres(module, batch)[1], dim=-1).mean(0))
        module.training_step(batch, 0)
    torch.testing.assert_close(module.typical_audio, torch.stack(units).mean(0))


class Boxes(LightningDataModule):
    """A square of one of three colours on noise, and the note that belongs to the colour."""

    def __init__(self, rows: int = 96) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.kinds = torch.arange(rows) % 3
        self.places = torch.randint(0, 3, (rows, 2), generator=generator) * 8
        image = 0.3 * torch.randn(rows, 3, 32, 32, generator=generator)
        audio = 0.3 * torch.randn(rows, 1, 16, 24, generator=generator)
        for row, (kind, (top, left)) in enumerate(zip(self.kinds, self.places.tolist(), strict=True)):
            image[row, kind, top : top + 16, left : left + 16] += 2
            audio[row, 0, 4 * kind : 4 * kind + 4, 6 * (row % 3) : 6 * (row % 3) + 8] += 2
        self.columns = {"image": image, "audio": audio, "index": torch.arange(rows)}

    def train_dataloader(self) -> DataLoader[Any]:
        rows = [{name: part[i] for name, part in self.columns.items()} for i in range(len(self.kinds))]
        generator = torch.Generator().manual_seed(0)
        return DataLoader(rows, 24, shuffle=True, generator=generator)


@pytest.mark.parametrize("cls", [DMC, L3Net])
def test_learns_what_belongs_together(cls: type[AudioVisual]) -> None:
    """Within seconds, also where it is: the maps are larger within the square."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"visual_encoder": Patches(), "audio_encoder": SmallAudioEncoder(4)}
    if cls is DMC:
        sharp = partial(MapClustering, num_clusters=3, dim=8, sharpness=3.0)
        options |= {"clustering": sharp, "loss": MaxMargin(0.5), "sound_map": "distinctive"}
    module = cls(**options, optimizer=partial(torch.optim.Adam, lr=5e-3))
    data = Boxes()
    trainer(max_epochs=12).fit(module, data)
    module.eval()
    with torch.no_grad():
        codes = module.evaluation_step(data.columns)["pair_codes"]
        own = module.pair_scores(codes["visual"], codes["audio"])
        other = module.pair_scores(codes["visual"], codes["audio"].roll(1, 0))  # always another kind
        assert float((own > other).float().mean()) > 0.9
        if isinstance(module, DMC):
            maps = F.interpolate(module.localise(data.columns).maps[:, None], (32, 32), mode="bilinear")[:, 0]
            inside = torch.stack(
                [
                    m[t : t + 16, x : x + 16].mean()
                    for m, (t, x) in zip(maps, data.places.tolist(), strict=True)
                ]
            )
            assert float((inside > maps.mean((1, 2))).float().mean()) > 0.9


@pytest.mark.parametrize("kind", ["weighted", "distinctive"])
def test_no_sound_map_is_blank(kind: SoundMap) -> None:
    """Also where the audio agrees with no cluster, and less than audio tracks do on the average."""
    visual = torch.eye(3).expand(2, 3, 3).clone()
    audio = torch.stack([-visual[0], visual[0]])
    audio[0, 1] = torch.tensor([-1.0, -0.1, 0.0])  # the least bad
    weights = cluster_weights(kind, visual, audio, torch.full((3, 3), 0.5))
    assert weights[0].tolist() == [0.0, 1.0, 0.0]
    assert (weights[1] > 0).all()
