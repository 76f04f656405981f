"""The base of EAO and SSPC, and EAO: features by name, masks, pairs, parameter counts as released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_modules import EAO, SSPC
from tests._helpers.tri_modal import ADAM, TRANSFORMER, Clips, clips, norm_free, parts_of_a_method, trainer
from unlabelled.encoders import AudioTokens, FusionTransformer, TextTokens, Tokens, VideoTokens, masked_mean
from unlabelled.losses import SymmetricNCE, symmetric_nce

FINAL_NORM = 2 * 4096  # built but not applied by the released code
MASKING_TOKEN = 4096
AUDIO_NORM = 2  # as FINAL_NORM
ANCHOR_EXTRAS = 6 * (64 + 64)  # a bias and a vector of zeros in each bank; as FINAL_NORM


def method(cls: type[EAO] | type[SSPC] = EAO, audio: bool = True, **kwargs: Any) -> Any:
    torch.manual_seed(0)
    module = cls(**{**parts_of_a_method(audio=audio), **kwargs})
    for name, parameter in module.transformers.named_parameters():  # else it is nearly the identity
        if name.endswith("weight") and parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.4)
    return norm_free(module)


def logged(module: Any) -> dict[str, float]:
    """Let a module log into the dictionary that is returned; there is no trainer."""
    values: dict[str, float] = {}
    module.log = lambda name, value, **_: values.update({name: float(value)})
    return values


def test_parameter_counts_of_the_released_models() -> None:
    def count(cls: type[EAO] | type[SSPC]) -> int:
        tokens = {"text": TextTokens(), "video": VideoTokens(), "audio": AudioTokens()}
        module = cls(**tokens, optimizer=ADAM, transformer=FusionTransformer)
        return sum(parameter.numel() for parameter in module.parameters())

    with torch.device("meta"):
        assert count(EAO) == 689_371_138 - AUDIO_NORM - FINAL_NORM
        unused = AUDIO_NORM + 3 * FINAL_NORM + 2 * MASKING_TOKEN + ANCHOR_EXTRAS
        assert count(SSPC) == 892_771_074 - unused


@pytest.mark.parametrize("cls", [EAO, SSPC])
def test_features_by_name(cls: type[EAO] | type[SSPC]) -> None:
    module, batch = method(cls), clips(6, empty=0)
    features = module.embed(batch)
    assert list(features) == ["text", "video", "audio", "text+video", "text+audio", "video+audio"]
    assert {tuple(feature.shape) for feature in features.values()} == {(6, 12)}
    for name in ("text", "video", "audio"):
        torch.testing.assert_close(features[name].norm(dim=1), torch.ones(6))
    apart = (features["video"] + features["audio"]) / 2
    if cls is SSPC:
        torch.testing.assert_close(features["video+audio"], apart)
    else:
        assert (features["video+audio"] - apart).norm(dim=1).min() > 0.01
        assert features["video+audio"].norm(dim=1).max() < 1
    assert list(method(cls, audio=False).embed(batch)) == ["text", "video", "text+video"]


def test_fused_features_step_by_step() -> None:
    """Tokens of both go through the transformer; each modality's are averaged and projected by themselves."""
    module, batch = method(), clips(5, empty=0)
    video, audio = (module.encoders[name](batch) for name in ("video", "audio"))
    joined = Tokens(torch.cat([video.values, audio.values], 1), torch.cat([video.mask, audio.mask], 1))
    out = module.transformers["shared"](joined)
    split = video.mask.shape[1]
    halves = {
        "video": masked_mean(out[:, :split], video.mask),
        "audio": masked_mean(out[:, split:], audio.mask),
    }
    expected = sum(F.normalize(module.projections[name](half), dim=1) for name, half in halves.items()) / 2
    torch.testing.assert_close(module.embed(batch)["video+audio"], expected)


@pytest.mark.parametrize("cls", [EAO, SSPC])
def test_padding_does_not_change_a_feature(cls: type[EAO] | type[SSPC]) -> None:
    module, batch = method(cls), clips(6)
    before = module.embed(batch)
    batch["text"][~batch["text_mask"]] = 7.0
    batch["video_features"][~batch["video_mask"]] = -7.0
    for name, feature in module.embed(batch).items():
        torch.testing.assert_close(feature, before[name], msg=name)
    sample = int(batch["text_mask"].sum(1).clamp(max=2).argmax())
    words = int(batch["text_mask"][sample].sum())
    cut = {"text": batch["text"][[sample], :words], "text_mask": batch["text_mask"][[sample], :words]}
    torch.testing.assert_close(module.embed(cut)["text"], before["text"][[sample]])


@pytest.mark.parametrize("cls", [EAO, SSPC])
def test_an_empty_part(cls: type[EAO] | type[SSPC]) -> None:
    module, batch = method(cls), clips(6, empty=0)
    full = module.embed(batch)
    batch["audio_mask"][2:4] = False
    features = module.embed(batch)
    torch.testing.assert_close(features["video+audio"][2:4], features["video"][2:4])
    torch.testing.assert_close(features["video+audio"][:2], full["video+audio"][:2])
    torch.testing.assert_close(features["audio"][2], features["audio"][3])
    masking = Tokens(module.masking_token.token[None, None], torch.ones(1, 1, dtype=torch.bool))
    out = masked_mean(
        module.transformers["shared" if "shared" in module.transformers else "audio"](masking), masking.mask
    )
    alone = F.normalize(module.projections["audio"](out), dim=1)[0]
    torch.testing.assert_close(features["audio"][2], alone)
    without = {name: value for name, value in batch.items() if not name.startswith("audio")}
    missing = module.embed(without)
    assert list(missing) == ["text", "video", "text+video", "text+audio", "video+audio"]
    torch.testing.assert_close(missing["video+audio"], features["video"])
    with pytest.raises(ValueError, match=r"has none of text, video_features, audio; it has \['index'\]"):
        module.embed({"index": batch["index"]})


def test_the_loss_is_the_weighted_mean_of_the_pairs() -> None:
    module, batch = method(), clips(12, empty=0.3)
    values = logged(module)
    loss = module.training_step(batch, 0)["loss"].detach()
    with torch.no_grad():
        features = module.embed(batch)  # equal where all parts are there, and only such samples count
    there = {name: batch[f"{name}_mask"].any(1) for name in ("text", "video", "audio")}

    def pair(first: str, second: str, *parts: str) -> Tensor:
        valid = torch.stack([there[part] for part in parts]).all(0)
        return symmetric_nce(features[first][valid], features[second][valid], valid[valid], 0.05)

    everything = ("text", "video", "audio")
    expected = {
        "text-video": pair("text", "video", "text", "video"),
        "text-audio": pair("text", "audio", "text", "audio"),
        "video-audio": pair("video", "audio", "video", "audio"),
        "text-video+audio": pair("text", "video+audio", *everything),
        "video-text+audio": pair("video", "text+audio", *everything),
        "audio-text+video": pair("audio", "text+video", *everything),
    }
    total = (expected["text-video"] + 0.1 * sum(list(expected.values())[1:])) / 1.5
    torch.testing.assert_close(loss, total)
    for name, value in expected.items():
        assert values[f"train/nce/{name}"] == pytest.approx(float(value), rel=1e-4)
    assert values["train/loss"] == values["train/nce"] == pytest.approx(float(total), rel=1e-4)
    assert values["train/nonempty/text"] == pytest.approx(float(there["text"].float().mean()))


def test_only_the_fused_features_that_are_wanted_are_computed() -> None:
    weights = {"text-video": 1.0, "text-audio": 0.1, "video-audio": 0.1, "text-video+audio": 0.0}
    module, passes = method(pair_weights=weights), []
    module.transformers["shared"].register_forward_hook(lambda *_: passes.append(1))
    logged(module)
    module.training_step(clips(4), 0)
    assert len(passes) == 3
    module.embed(clips(4))
    assert len(passes) == 9


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (EAO, {}),
        (EAO, {"audio": False}),
        (EAO, {"shared_projection": True}),
        (EAO, {"shared_transformer": False}),
        (EAO, {"transformer": lambda dim: FusionTransformer(dim, 0, 1)}),
        (EAO, {"shared_projection": True, "transformer": lambda dim: TRANSFORMER(dim, cls_token=True)}),
        (SSPC, {"num_anchors": 4, "queue_size": 8}),
        (SSPC, {"num_anchors": 4, "queue_size": 8, "audio": False}),
        (SSPC, {"num_anchors": 4, "queue_size": 8, "start": "now"}),
        (SSPC, {"num_anchors": 4, "queue_size": 8, "start": "now", "lambda_nce": 0.0}),
        (SSPC, {"num_anchors": 4, "queue_size": 8, "lambda_sspc": 0.0}),
        (SSPC, {"num_anchors": 4, "queue_size": 8, "start": "now", "raw_input_features": True}),
    ],
)
@pytest.mark.parametrize("empty", [0.0, 0.4, 1.0])
def test_every_parameter_gets_a_gradient(cls: type[EAO] | type[SSPC], options: Any, empty: float) -> None:
    """DDP waits for each of them, also where no clip is empty, or all are."""
    module = method(cls, **options)
    logged(module)
    module.training_step(clips(8, empty=empty), 0)["loss"].backward()
    missing = [name for name, parameter in module.named_parameters() if parameter.grad is None]
    assert not missing
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("stream", ["text", "video_features", "audio"])
@pytest.mark.parametrize("cls", [EAO, SSPC])
def test_a_value_that_is_not_finite_is_a_missing_modality(
    cls: type[EAO] | type[SSPC], stream: str, value: float
) -> None:
    """Also where the clip has no other modality, so that no pair has it and the loss is finite anyway."""
    module, batch = method(cls), clips(6, empty=0)
    values, modality = logged(module), stream.removesuffix("_features")
    others = {"text_mask", "video_mask", "audio_mask"} - {f"{modality}_mask"}
    for mask in others:
        batch[mask][1] = False
    batch[stream][(1, *[0] * (batch[stream].ndim - 1))] = value
    loss = module.training_step(batch, 0)["loss"]
    loss.backward()
    gradients = [each.grad for each in module.parameters() if each.grad is not None]
    shares = {name.rpartition("/")[2]: value for name, value in values.items() if "not_finite" in name}
    assert shares == pytest.approx({name: (name == modality) / 6 for name in module.encoders})
    assert loss.isfinite()
    assert all(bool(each.isfinite().all()) for each in gradients)
    batch[f"{modality}_mask"][1] = False
    batch[stream][1] = 0
    torch.testing.assert_close(module.training_step(batch, 0)["loss"], loss)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"about \['text', 'video'\], .*of \['audio', 'text', 'video'"):
        method(pair_weights={"text-video": 1.0})
    with pytest.raises(ValueError, match=r"about \['audio', 'text', 'video'\], .*of \['text', 'video'"):
        method(audio=False, pair_weights={"text-video": 1.0, "text-audio": 1.0})
    with pytest.raises(ValueError, match=r"the weights of \['text-video'\] are below 0"):
        method(audio=False, pair_weights={"text-video": -1.0})
    with pytest.raises(ValueError, match=r"must have one size, got \{'text': 8, 'video': 4\}"):
        method(audio=False, video=VideoTokens(8, 4))
    with pytest.raises(ValueError, match="set shared_projection: true"):
        method(transformer=lambda dim: TRANSFORMER(dim, cls_token=True))
    batch = {name: value for name, value in clips(4).items() if name != "audio_mask"}
    with pytest.raises(ValueError, match="the batch lacks audio_mask"):
        method().training_step(batch, 0)


def hits(module: Any, batch: dict[str, Tensor]) -> float:
    """Return the share of texts whose nearest video with audio is of the same category."""
    with torch.no_grad():
        features = module.eval().embed(batch)
    nearest = (features["text"] @ F.normalize(features["video+audio"], dim=1).T).argmax(1)
    return float((batch["label"][nearest] == batch["label"]).float().mean())


def test_eao_learns(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = EAO(**parts_of_a_method(dim=16), pair_loss=SymmetricNCE(0.1))
    held_out = clips(128, seed=77, empty=0)
    before = hits(module, held_out)
    trainer(tmp_path, max_epochs=8).fit(module.train(), Clips([clips(32, seed) for seed in range(8)]))
    assert before < 0.5
    assert hits(module, held_out) > 0.85
