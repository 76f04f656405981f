"""Samples with several crops: averages of their features, and errors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unlabelled.batch import Batch, Features
from unlabelled.encoders.evaluation_crops import embed_crops, has_crops, mean_over_crops, num_crops


def embed(batch: Batch) -> Features:
    """Return squares, so that the mean of features is not the feature of the mean."""
    return {name: batch[name].flatten(2).mean(2) ** 2 for name in ("video", "audio") if name in batch}


def batch_of(crops: int, size: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return {
        "video": torch.randn(size, crops, 2, 2, 3, 3, generator=generator),
        "audio": torch.randn(size, 1, 4, 5, generator=generator),
        "label": torch.arange(size),
        "index": torch.arange(size),
    }


@pytest.mark.parametrize("crops_at_once", [1, 2, 5, 9])
def test_features_of_crops_are_averaged_per_modality(crops_at_once: int) -> None:
    batch = batch_of(crops=5)
    seen = []

    def counted(part: Batch) -> Features:
        seen.append(len(part["video"]))
        assert len(part["label"]) == len(part["audio"]) == len(part["video"])
        return embed(part)

    features = embed_crops(counted, batch, crops_at_once)
    expected = torch.stack([embed({"video": batch["video"][:, crop]})["video"] for crop in range(5)]).mean(0)
    torch.testing.assert_close(features["video"], expected)
    torch.testing.assert_close(features["audio"], embed({"audio": batch["audio"]})["audio"])
    assert sum(seen) == 15
    assert max(seen) == 3 * min(crops_at_once, 5)


def test_each_row_of_a_flattened_batch_keeps_its_sample() -> None:
    batch = batch_of(crops=4)
    batch["video"] = batch["label"].view(3, 1, 1, 1, 1, 1).expand(3, 4, 2, 2, 3, 3).float()

    def check(part: Batch) -> Features:
        assert torch.equal(part["video"][:, 0, 0, 0, 0], part["label"].float())
        return {"video": part["label"].float().unsqueeze(1)}

    assert embed_crops(check, batch, crops_at_once=3)["video"].flatten().tolist() == [0, 1, 2]


def test_one_crop_is_embedded_as_it_is() -> None:
    batch = batch_of(crops=1)
    batch["video"] = batch["video"][:, 0]
    assert not has_crops(batch)
    assert embed_crops(lambda given: {"same": given is batch}, batch) == {"same": True}  # type: ignore[dict-item]


def test_inputs_that_disagree_are_refused() -> None:
    batch = batch_of(crops=2)
    assert num_crops(batch) == 2
    batch["audio"] = torch.zeros(3, 4, 1, 4, 5)
    with pytest.raises(ValueError, match="different numbers of crops"):
        num_crops(batch)
    with pytest.raises(ValueError, match=r"image has shape \(3, 4\)"):
        num_crops({"image": torch.zeros(3, 4)})
    with pytest.raises(ValueError, match="at least one crop"):
        num_crops({"image": torch.zeros(3, 0, 3, 4, 4)})


@pytest.mark.parametrize("crops_at_once", [1, 3])
def test_the_mean_over_crops_of_a_function(crops_at_once: int) -> None:
    inputs = torch.randn(2, 4, 3, 5, 5)

    def feature(images: Tensor) -> Tensor:
        return images.flatten(1).relu()

    expected = inputs.flatten(2).relu().mean(1)
    torch.testing.assert_close(mean_over_crops(feature, inputs, 4, crops_at_once), expected)
    torch.testing.assert_close(mean_over_crops(feature, inputs[:, 0], 4), inputs[:, 0].flatten(1).relu())
