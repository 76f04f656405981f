"""Data modules of composed clips and of real images; the real ones are tested after ``make real-data``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from datamodules import Digits, FashionMNIST, Garments, SmallGarments
from unlabelled.contracts import GroupsClasses, HasBoxes
from unlabelled.data.media.decord_reader import DecordReader
from unlabelled.data.real import FASHION_MNIST_CLASSES
from unlabelled.data.synthetic.composed import GarmentsSet
from unlabelled.pipelines import FrameAndAudio
from unlabelled.pipelines.base import ImagePipeline
from unlabelled.transforms import VGGishMel

REAL = Path("data/real")
needs_real_data = pytest.mark.skipif(
    not (REAL / "FluidR3_GM.json").is_file(), reason="run `make real-data` first, as .ci/run does"
)


class Plain(ImagePipeline):
    """Images as they are."""

    def load(self, image: Tensor, rng: np.random.Generator, train: bool) -> dict[str, Tensor]:
        return {"image": image}


def test_composed_clips_have_boxes_and_families(tmp_path: Path) -> None:
    pipeline = FrameAndAudio(32, VGGishMel(num_frames=20))
    data = Digits(
        str(tmp_path), train_per_class=1, test_per_class=1, pipeline=pipeline, reader=DecordReader(),
        index_workers=0, num_workers=0,
    )  # fmt: skip
    data.write()
    data.setup("fit")
    assert isinstance(data, GroupsClasses)
    assert isinstance(data, HasBoxes)
    assert dict(zip(data.class_names, data.class_groups, strict=True))["eight"] == "round"
    x0, y0, x1, y1 = data.boxes("val", 0, 0.5)[0].tolist()
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1
    assert len(data.clip_paths("train")) == len(data.clip_paths("val")) == 8


@needs_real_data
def test_fashion_mnist_takes_the_first_images_of_each_class() -> None:
    data = FashionMNIST(str(REAL), pipeline=Plain(), train_per_class=20, test_per_class=5, num_workers=0)
    train, test = data.source("train"), data.source("val")
    assert Counter(train.labels.tolist()) == dict.fromkeys(range(10), 20)
    assert len(test) == 50
    image = train.image(0)
    assert image.shape == (3, 28, 28)
    assert torch.equal(image[0], image[2])
    assert data.class_names == list(FASHION_MNIST_CLASSES)
    assert train.fingerprint != data.source("test").fingerprint
    assert len(FashionMNIST(str(REAL), pipeline=Plain()).source("test")) == 10000
    with pytest.raises(ValueError, match="there are 1000"):
        FashionMNIST(str(REAL), pipeline=Plain(), test_per_class=2000).source("test")


@needs_real_data
def test_garments_are_photographs_and_instruments(tmp_path: Path) -> None:
    data = Garments(str(tmp_path / "few"), train_per_class=1, test_per_class=1, real_root=str(REAL))
    data.write()
    files = list((tmp_path / "few" / "video").iterdir())
    assert len(files) == 20
    times = {path: path.stat().st_mtime_ns for path in files}
    data.write()  # from the disk, without another download
    assert {path: path.stat().st_mtime_ns for path in files} == times
    assert len(set(data.class_groups)) == 4


@needs_real_data
def test_small_garments_leave_room_and_are_anywhere(tmp_path: Path) -> None:
    pipeline = FrameAndAudio(32, VGGishMel(num_frames=20))
    data = SmallGarments(
        str(tmp_path), train_per_class=1, test_per_class=2, real_root=str(REAL),
        pipeline=pipeline, reader=DecordReader(), index_workers=0, num_workers=0,
    )  # fmt: skip
    data.write()
    data.setup("fit")
    boxes = torch.cat([data.boxes("val", row, 1.5) for row in range(20)])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    assert 0.05 < areas.mean() < 0.25
    centres = (boxes[:, 2:] + boxes[:, :2]) / 2
    assert centres.std(0).min() > 0.05


@needs_real_data
def test_instruments_differ_and_are_repeated_from_their_seed() -> None:
    source = GarmentsSet(str(REAL.absolute() / "FashionMNIST/raw"), str(REAL.absolute() / "FluidR3_GM.sf2"))
    for label in range(10):
        first, again, other = (
            source.audio(np.random.default_rng(seed), label, 1.0, 22050) for seed in (1, 1, 2)
        )
        assert first.std() > 1e-3
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
    assert source.distractor(np.random.default_rng(0), 1.0, 22050).std() > 1e-3


def test_photographs_of_both_splits_are_apart() -> None:
    if not (REAL / "FluidR3_GM.json").is_file():
        pytest.skip("run `make real-data` first, as .ci/run does")
    source = GarmentsSet(str(REAL.absolute() / "FashionMNIST/raw"), "")
    opacities = {
        split: {
            source.image(np.random.default_rng(n), 3, split)[3].tobytes() for n in range(100)
        }
        for split in ("train", "test")
    }  # fmt: skip
    assert not opacities["train"] & opacities["test"]
