"""Augmentations of whole batches against torchvision's functions, one sample at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate
from torchvision.transforms.v2 import functional as TF

from unlabelled.seeding import numpy_generator
from unlabelled.transforms import Augmentation, Strong, StrongAlpha, StrongBeta, StrongGamma, Weak
from unlabelled.transforms import augmentation as module

SHAPES = {"images": (24, 3, 27, 30), "clips": (24, 3, 3, 25, 28)}
EVERYTHING = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.3}
EVERYTHING |= {"greyscale": 0.3, "blur": 0.5, "solarize": 0.5}


def random_images(shape: tuple[int, ...]) -> Tensor:
    """Random colours, and in the second half smooth ones: greys, pure black and pure white among them."""
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    half = shape[0] // 2
    images[half:] = (images[half:].mean(-1, keepdim=True) * 4 - 1.5).clamp(0, 1)
    images[-1, 0] = images[-1, 1] = images[-1, 2]
    return images


def drawn(augmentation: Augmentation, count: int) -> list[dict[str, Tensor]]:
    return [augmentation.draw(numpy_generator("test", row)) for row in range(count)]


def by_torchvision(image: Tensor, parameters: dict[str, Tensor], kernel: int) -> Tensor:
    """One image ``(3, H, W)`` or clip ``(3, T, H, W)``, step by step."""
    frames = image if image.ndim == 3 else image.transpose(0, 1)
    adjust = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation)
    blends = zip(parameters["adjustments"].tolist(), parameters["factors"].tolist(), strict=True)
    steps = [(adjust[kind], factor) for kind, factor in blends]
    if (place := int(parameters["hue_place"])) >= 0:
        steps.insert(place, (TF.adjust_hue, float(parameters["hue"])))
    for step, amount in steps:
        frames = step(frames, amount)
    if parameters["greyscale"]:
        frames = TF.rgb_to_grayscale(frames, num_output_channels=3)
    if parameters["blur"]:
        frames = TF.gaussian_blur(frames, [kernel, kernel], [float(parameters["blur_sigma"])] * 2)
    if parameters["solarize"]:
        frames = TF.solarize(frames, 0.5)
    if parameters["flip"]:
        frames = TF.horizontal_flip(frames)
    return frames if image.ndim == 3 else frames.transpose(0, 1)


@pytest.mark.parametrize("way", ["_selected", "_masked"])  # what the CPU does, and what a GPU does
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(
    "options",
    [
        EVERYTHING,
        {"brightness": 0.4, "jitter": 1.0, "flip": 0.0},
        {"contrast": 0.4, "jitter": 1.0, "flip": 0.0},
        {"saturation": 1.5, "jitter": 1.0, "flip": 0.0},
        {"hue": 0.5, "jitter": 1.0, "flip": 0.0},
        {"greyscale": 1.0, "flip": 0.0},
        {"blur": 1.0, "flip": 0.0},
        {"solarize": 1.0, "flip": 0.0},
        {"flip": 1.0},
    ],
    ids=lambda options: "+".join(options),
)
def test_batches_are_what_torchvision_makes_of_each_sample(
    options: dict[str, float], kind: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_selected", getattr(module, way))
    augmentation = Augmentation(**options)
    images = random_images(SHAPES[kind])
    parameters = drawn(augmentation, len(images))
    expected = torch.stack(
        [by_torchvision(image, each, 23) for image, each in zip(images, parameters, strict=True)]
    )
    result = augmentation.apply(images, default_collate(parameters))
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)
    assert not torch.equal(expected, images)


@pytest.mark.parametrize("way", ["_selected", "_masked"])
def test_a_sample_does_not_depend_on_its_batch(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_selected", getattr(module, way))
    augmentation, images = Augmentation(**EVERYTHING), random_images(SHAPES["images"])
    before = images.clone()
    parameters = drawn(augmentation, len(images))
    together = augmentation.apply(images, default_collate(parameters))
    assert torch.equal(images, before)  # the caller's
    for row, one in enumerate(parameters):
        alone = augmentation.apply(images[row : row + 1], default_collate([one]))
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=0)


def test_the_frames_of_a_clip_are_treated_alike() -> None:
    augmentation, images = Augmentation(**EVERYTHING), random_images(SHAPES["images"])
    parameters = default_collate(drawn(augmentation, len(images)))
    still = augmentation.apply(images.unsqueeze(2).repeat(1, 1, 4, 1, 1), parameters)
    expected = augmentation.apply(images, parameters).unsqueeze(2).expand_as(still)
    torch.testing.assert_close(still, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("augmentation", [Augmentation(**EVERYTHING), Strong(), StrongAlpha(), Weak()])
def test_the_device_is_never_asked_for_a_value(augmentation: Augmentation) -> None:
    shape = SHAPES["clips"]
    parameters = default_collate(drawn(augmentation, shape[0]))
    unknown = {name: values.to("meta") for name, values in parameters.items()}
    assert augmentation.apply(torch.empty(shape, device="meta"), unknown).shape == shape
    with pytest.raises(NotImplementedError):  # what would happen otherwise
        unknown["flip"].nonzero()


def test_large_batches_are_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    augmentation, images = Augmentation(**EVERYTHING), random_images(SHAPES["clips"])
    parameters = default_collate(drawn(augmentation, len(images)))
    whole = augmentation.apply(images, parameters)
    monkeypatch.setattr(module, "_CACHED", 7 * images[0].numel())  # 24 clips: 7, 7, 7 and 3
    torch.testing.assert_close(augmentation.apply(images, parameters), whole, atol=1e-6, rtol=0)


def test_a_generator_decides_everything() -> None:
    augmentation = Augmentation(**EVERYTHING)
    first, again, other = (augmentation.draw(numpy_generator("test", seed)) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["factors"], other["factors"])


def test_all_orders_of_the_jitter_are_drawn() -> None:
    augmentation = Augmentation(jitter=1.0, brightness=0.4, hue=0.1)
    orders = {
        (*parameters["adjustments"].tolist(), int(parameters["hue_place"]))
        for parameters in drawn(augmentation, 400)
    }
    assert len(orders) == 24


@pytest.mark.parametrize(
    ("augmentation", "strengths", "chances"),
    [
        (Weak(), None, (0, 0, 0)),
        (Strong(), (0.4, 0.4, 0.4, 0.1), (0.2, 0.5, 0)),
        (StrongAlpha(), (0.4, 0.4, 0.2, 0.1), (0.2, 1, 0)),
        (StrongBeta(), (0.4, 0.4, 0.2, 0.1), (0.2, 0.1, 0.2)),
        (StrongGamma(), (0.4, 0.4, 0.2, 0.1), (0.2, 0.5, 0.2)),
        (StrongGamma(strength=1.0), (0.8, 0.8, 0.4, 0.2), (0.2, 0.5, 0.2)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Augmentation) else "",
)
def test_the_presets_are_table_1(
    augmentation: Augmentation, strengths: tuple[float, ...] | None, chances: tuple[float, ...]
) -> None:
    parameters = default_collate(drawn(augmentation, 1000))
    means = [parameters[name].float().mean().item() for name in ("greyscale", "blur", "solarize", "flip")]
    assert means == pytest.approx([*chances, 0.5], abs=0.06)  # four standard deviations
    sigma = parameters["blur_sigma"]
    assert 0.1 <= sigma.min() < 0.15 < 1.95 < sigma.max() <= 2
    if strengths is None:
        assert (parameters["factors"] == 1).all()
        assert (parameters["hue_place"] == -1).all()
        return
    jittered = parameters["hue_place"] >= 0
    assert jittered.float().mean().item() == pytest.approx(0.8, abs=0.05)
    assert (parameters["factors"][~jittered] == 1).all()
    for kind, strength in enumerate(strengths[:3]):
        factors = parameters["factors"][jittered][parameters["adjustments"][jittered] == kind]
        spread = [factors.min().item(), factors.mean().item(), factors.max().item()]
        assert spread == pytest.approx([1 - strength, 1, 1 + strength], abs=0.04)
    spread = [parameters["hue"].min().item(), parameters["hue"].max().item()]
    assert spread == pytest.approx([-strengths[3], strengths[3]], rel=0.05)


def test_a_factor_is_never_negative() -> None:
    factors = default_collate(drawn(Augmentation(jitter=1.0, brightness=1.5), 300))["factors"]
    assert 0 <= factors.min() < 0.05
    assert 2.4 < factors.max() <= 2.5


def test_an_image_smaller_than_the_blur_gets_a_smaller_blur() -> None:
    augmentation, image = Augmentation(blur=1.0, flip=0.0), torch.rand(1, 3, 4, 9)
    parameters = default_collate(drawn(augmentation, 1))
    expected = TF.gaussian_blur(image, [17, 7], [float(parameters["blur_sigma"])] * 2)
    torch.testing.assert_close(augmentation.apply(image, parameters), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jitter": 1.2}, "Augmentation: jitter=1.2 is a probability"),
        ({"flip": -0.1}, "flip=-0.1"),
        ({"contrast": -1.0}, "contrast=-1.0 must be at least 0"),
        ({"hue": 0.6}, "hue=0.6 must be at most 0.5"),
        ({"blur_kernel": 22}, "blur_kernel=22 must be odd"),
        ({"blur_sigma": (2.0, 0.1)}, "blur_sigma"),
        ({"blur_sigma": (0.0, 0.1)}, "blur_sigma"),
        ({"solarize": float("nan")}, "solarize=nan"),
    ],
)
def test_impossible_numbers_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(ValueError, match="StrongBeta: strength=-1"):
        StrongBeta(strength=-1)


def test_all_randomness_is_the_generators() -> None:
    """Torch's global generator is not touched."""
    state = torch.get_rng_state()
    StrongGamma().draw(np.random.default_rng(0))
    assert torch.equal(torch.get_rng_state(), state)


def test_colour_shift_is_that_of_clips_and_changes_no_other_number() -> None:
    plain, shifted = (
        Augmentation(brightness=0.4, hue=0.1),
        Augmentation(brightness=0.4, hue=0.1, colour_shift=0.3),
    )
    first, second = (each.draw(np.random.default_rng(5)) for each in (plain, shifted))
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone = Augmentation(jitter=0.0, flip=0.0, colour_shift=0.3)
    parameters = default_collate([alone.draw(np.random.default_rng(seed)) for seed in range(3)])
    clips = torch.rand(3, 3, 4, 5, 6)
    numbers = parameters["colour_shift"]
    assert 0.05 < float(numbers.abs().mean()) < 0.6
    for clip, result, (contrast, *levels) in zip(clips, alone.apply(clips, parameters), numbers, strict=True):
        normalised = (clip - 0.45) / 0.225
        expected = normalised * (1 + contrast) + torch.stack(levels).view(3, 1, 1, 1)
        torch.testing.assert_close((result - 0.45) / 0.225, expected)
