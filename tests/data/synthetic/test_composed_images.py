"""Images of the composed sets: reproducible files in class folders, read by their data module."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lightning.pytorch.trainer.states import TrainerFn
from PIL import Image

from datamodules import ComposedImages
from unlabelled.data.synthetic.composed import DigitsSet, PatternsSet, write_composed_images
from unlabelled.data.synthetic.composed.base import ComposedSet
from unlabelled.data.synthetic.composed.images import compose_image
from unlabelled.pipelines import ContrastiveImages
from unlabelled.transforms import Augmentation, AugmentedCrop, RandomResizedCrop

SETS = [DigitsSet(), PatternsSet()]


@pytest.mark.parametrize("source", SETS, ids=lambda source: source.name)
def test_files_are_the_images_of_their_seed(source: ComposedSet, tmp_path: Path) -> None:
    write_composed_images(str(tmp_path / "a"), source, 4, 2, 1, progress=False)
    files = sorted((tmp_path / "a").glob("*/*/*.png"))
    assert len(files) == 3 * len(source.classes)
    for path in files[::5]:
        split, label = path.parts[-3], path.parts[-2]
        number = [each.label for each in source.classes].index(label)
        pixels = np.asarray(Image.open(path))
        assert (pixels == compose_image(source, 4, split, number, int(path.stem))).all()
        assert pixels.shape[1::-1] in source.style.sizes
        assert pixels.std() > 2  # something is drawn
    assert len({path.read_bytes() for path in files}) == len(files)


def test_splits_and_seeds_differ() -> None:
    source = SETS[0]
    same = compose_image(source, 0, "train", 3, 1)
    assert np.array_equal(same, compose_image(source, 0, "train", 3, 1))
    others = [
        compose_image(source, *key) for key in ((0, "val", 3, 1), (1, "train", 3, 1), (0, "train", 3, 2))
    ]
    assert not any(np.array_equal(same, other) for other in others)


def test_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed -1 must be 0 or more"):
        write_composed_images(str(tmp_path / "a"), SETS[0], -1)
    with pytest.raises(ValueError, match="images='cats' must be one of digits, patterns"):
        ComposedImages("cats")


def test_data_module_writes_and_lists_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crop = AugmentedCrop(RandomResizedCrop(32), Augmentation())
    pipeline = ContrastiveImages([crop, crop], eval_size=32)
    options = {"train_per_class": 2, "val_per_class": 1, "num_workers": 0}
    data = ComposedImages("patterns", str(tmp_path / "new"), pipeline=pipeline, **options)
    with monkeypatch.context() as patch:
        patch.setattr(data, "trainer", SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING)))
        data.prepare_data()
    data.setup("fit")
    assert data.class_names == sorted(each.label for each in PatternsSet.classes)
    assert data.num_train_samples == 16
