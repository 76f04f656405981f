"""Pipelines of images, from uint8 to normalised batches, and through YAML."""

from __future__ import annotations

from typing import Any

import jsonargparse
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate
from torchvision.transforms.v2 import functional as TF

from unlabelled.pipelines import ContrastiveImages, ImagePipeline, LabelledImages
from unlabelled.seeding import numpy_generator
from unlabelled.transforms import (
    AugmentedCrop,
    PaddedCrop,
    RandomResizedCrop,
    StrongAlpha,
    StrongBeta,
    StrongGamma,
    Weak,
)

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def random_image(height: int = 40, width: int = 50, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (3, height, width), generator=torch.Generator().manual_seed(seed)).byte()


def contrastive(augment: str = "batched") -> ContrastiveImages:
    crops = [
        AugmentedCrop(RandomResizedCrop(24), Weak()),
        AugmentedCrop(RandomResizedCrop(24), StrongGamma()),
    ]
    return ContrastiveImages(crops, eval_size=24, eval_resize=28, mean=MEAN, std=STD, augment=augment)


def batch_of(pipeline: ImagePipeline, train: bool, count: int = 6) -> dict[str, Any]:
    samples = [
        pipeline.load(random_image(seed=row), numpy_generator("test", row), train) for row in range(count)
    ]
    return default_collate(samples)


def normalised(pixels: Tensor) -> Tensor:
    return TF.normalize(pixels.float() / 255, list(MEAN), list(STD))


def test_workers_send_bytes_and_the_device_gets_floats() -> None:
    pipeline = contrastive()
    raw = batch_of(pipeline, train=True)
    assert [each.dtype for each in raw["views"]] == [torch.uint8] * 2
    assert [each.shape for each in raw["views"]] == [(6, 3, 24, 24)] * 2
    raw["label"] = torch.arange(6)
    finished = pipeline.finish(raw)
    assert finished.keys() == {"views", "label"}
    assert torch.equal(finished["label"], torch.arange(6))
    assert "augmentations" in raw  # the caller's batch is left alone
    assert [each.dtype for each in finished["views"]] == [torch.float32] * 2
    weak, flipped = raw["views"][0], raw["augmentations"][0]["flip"]
    assert 0 < flipped.sum() < 6
    expected = torch.where(flipped.view(-1, 1, 1, 1), weak.flip(-1), weak)
    torch.testing.assert_close(finished["views"][0], normalised(expected), atol=1e-5, rtol=0)
    strong = pipeline.crops[1].augmentation.apply(raw["views"][1].float() / 255, raw["augmentations"][1])
    expected = TF.normalize(strong, list(MEAN), list(STD))
    torch.testing.assert_close(finished["views"][1], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("train", [True, False])
def test_it_makes_no_difference_where_the_work_is_done(train: bool) -> None:
    early, late = contrastive("workers"), contrastive("batched")
    done = batch_of(early, train)
    assert "augmentations" not in done
    finished = late.finish(batch_of(late, train))
    torch.testing.assert_close(early.finish(done), finished, atol=1e-5, rtol=0)
    assert early.finish(done).keys() == done.keys()


def test_a_generator_decides_everything() -> None:
    first, again, other = (
        contrastive().load(random_image(), numpy_generator(seed), True) for seed in (0, 0, 1)
    )
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert not torch.equal(first["views"][0], other["views"][0])
    assert not torch.equal(first["views"][0], first["views"][1])


def test_multi_crop() -> None:
    sizes = (224, 224, 192, 160, 128, 96)
    scales = [(0.2, 1.0)] * 2 + [(0.172, 0.86), (0.143, 0.715), (0.114, 0.571), (0.086, 0.429)]
    augmentations = [StrongAlpha(), StrongBeta(), *[StrongGamma() for _ in range(4)]]
    crops = [
        AugmentedCrop(RandomResizedCrop(size, scale), augmentation)
        for size, scale, augmentation in zip(sizes, scales, augmentations, strict=True)
    ]
    pipeline = ContrastiveImages(crops, eval_size=224, eval_resize=256)
    views = pipeline.finish(batch_of(pipeline, train=True, count=2))["views"]
    assert [tuple(each.shape) for each in views] == [(2, 3, size, size) for size in sizes]


@pytest.mark.parametrize(
    "pipeline",
    [contrastive(), LabelledImages(PaddedCrop(24), 24, 28, MEAN, STD)],
    ids=lambda v: type(v).__name__,
)
def test_evaluation_sees_the_middle(pipeline: ImagePipeline) -> None:
    raw = batch_of(pipeline, train=False)
    expected = TF.center_crop(TF.resize(random_image(), [28], antialias=True), [24])
    assert torch.equal(raw["image"][0], expected)
    torch.testing.assert_close(pipeline.finish(raw)["image"][0], normalised(expected), atol=1e-5, rtol=0)


def test_evaluation_without_a_short_side_takes_all_of_the_image() -> None:
    pipeline = LabelledImages(PaddedCrop(24), eval_size=24)
    sample = pipeline.load(random_image(), np.random.default_rng(0), False)
    assert torch.equal(sample["image"], TF.resize(random_image(), [24, 24], antialias=True))
    exact = random_image(24, 24)
    assert torch.equal(pipeline.load(exact, np.random.default_rng(0), False)["image"], exact)


def test_several_evaluation_crops_are_normalised_by_channel() -> None:
    pairs = [[random_image(8, 8, seed), random_image(8, 8, seed + 9)] for seed in range(3)]
    many = torch.stack([torch.stack(pair) for pair in pairs])
    result = contrastive().finish({"image": many})["image"]  # (B, V, 3, H, W)
    torch.testing.assert_close(result[2, 1], normalised(many[2, 1]), atol=1e-5, rtol=0)


def test_classifiers_train_on_a_window_that_is_flipped_half_of_the_time() -> None:
    pipeline, image = LabelledImages(PaddedCrop(24, padding=0), 24, mean=MEAN, std=STD), random_image(24, 24)
    samples = [pipeline.load(image, numpy_generator(row), True)["image"] for row in range(60)]
    plain = [torch.equal(sample, image) for sample in samples]
    flipped = [torch.equal(sample, image.flip(-1)) for sample in samples]
    assert sum(plain) + sum(flipped) == 60
    assert 15 < sum(flipped) < 45
    finished = pipeline.finish(default_collate([{"image": sample} for sample in samples[:3]]))
    torch.testing.assert_close(finished["image"][0], normalised(samples[0]), atol=1e-5, rtol=0)


def test_classifiers_may_train_on_changed_colours() -> None:
    options = {"crop": RandomResizedCrop(24), "eval_size": 24, "mean": MEAN, "std": STD}
    plain, rich = LabelledImages(**options), LabelledImages(**options, augmentation=StrongGamma())
    raw = {pipeline: batch_of(pipeline, train=True) for pipeline in (plain, rich)}
    assert "augmentations" not in raw[plain]
    assert torch.equal(raw[plain]["image"], raw[rich]["image"])  # drawn after window and flip
    floats = raw[rich]["image"].float() / 255
    changed = rich.augmentation.apply(floats, raw[rich]["augmentations"][0])
    finished = rich.finish(raw[rich])
    assert finished.keys() == {"image"}
    expected = TF.normalize(changed, list(MEAN), list(STD))
    torch.testing.assert_close(finished["image"], expected, atol=1e-5, rtol=0)
    assert not torch.allclose(finished["image"], plain.finish(raw[plain])["image"])
    evaluated = [pipeline.finish(batch_of(pipeline, train=False))["image"] for pipeline in (plain, rich)]
    assert torch.equal(*evaluated)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crops": []}, r"ContrastiveImages: crops has 0 view\(s\)"),
        ({"eval_resize": 20}, "ContrastiveImages: eval_resize=20 must be null or at least eval_size=24"),
        ({"eval_size": 0, "eval_resize": None}, "eval_size=0"),
        ({"std": (0.1, 0.1, 0.0)}, "std=.0.1, 0.1, 0.0. must have one number"),
    ],
)
def test_impossible_views_are_refused(change: dict[str, Any], message: str) -> None:
    crops = [AugmentedCrop(RandomResizedCrop(24), Weak())] * 2
    with pytest.raises(ValueError, match=message):
        ContrastiveImages(**{"crops": crops, "eval_size": 24, **change})


YAML = """
pipeline:
  class_path: unlabelled.pipelines.ContrastiveImages
  init_args:
    eval_size: 32
    mean: [0.4914, 0.4822, 0.4465]
    crops:
      - crop: {class_path: unlabelled.transforms.RandomResizedCrop, init_args: {size: 32, scale: [0.3, 1.0]}}
        augmentation: {class_path: unlabelled.transforms.Weak}
      - crop: {class_path: unlabelled.transforms.PaddedCrop, init_args: {size: 16}}
        augmentation: {class_path: unlabelled.transforms.StrongAlpha, init_args: {strength: 1.0}}
"""


def test_yaml_builds_views() -> None:
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--pipeline", type=ImagePipeline)
    parser.add_argument("--config", action="config")
    pipeline = parser.instantiate(parser.parse_args([f"--config={YAML}"])).pipeline
    assert isinstance(pipeline, ContrastiveImages)
    assert isinstance(pipeline.crops[0].crop, RandomResizedCrop)
    assert pipeline.crops[0].crop.scale == (0.3, 1.0)
    assert isinstance(pipeline.crops[1].crop, PaddedCrop)
    assert pipeline.crops[1].augmentation.strengths == pytest.approx((0.8, 0.8, 0.4))
    assert pipeline.mean == MEAN
