"""Names of features and pairs, and errors about names with an empty part."""

from __future__ import annotations

import pytest
import torch

from unlabelled.modalities import fused_names, mean_of_present, pair_of, parts_of, sum_of_present


def test_names() -> None:
    assert fused_names({"audio", "video", "text"}) == ["text+video", "text+audio", "video+audio"]
    assert fused_names(["video", "text"]) == ["text+video"]
    assert parts_of("text") == ("text",)
    assert parts_of("video+audio") == ("video", "audio")
    assert pair_of("text-video+audio") == ("text", "video+audio")


@pytest.mark.parametrize("name", ["audio+video", "sound", "", "text+", "video+video"])
def test_what_is_no_feature(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no feature: expected .* text, video, audio, in this order"):
        parts_of(name)


@pytest.mark.parametrize("name", ["text", "text-video-audio", "text-text+video", "text->video"])
def test_what_is_no_pair(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no pair: expected two|is no feature"):
        pair_of(name)


def test_an_empty_part_does_not_count() -> None:
    parts = [
        torch.tensor([[1.0, 2], [3, 4], [5, 6], [7, 8]]),
        torch.tensor([[10.0, 20], [30, 40], [50, 60], [70, 80]]),
    ]
    nonempty = [torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])]
    total = sum_of_present(parts, nonempty)
    assert total.tolist() == [[11, 22], [3, 4], [50, 60], [77, 88]]
    assert mean_of_present(parts, nonempty).tolist() == [[5.5, 11], [3, 4], [50, 60], [38.5, 44]]
    assert torch.equal(mean_of_present(parts[:1], nonempty[:1]), parts[0])
