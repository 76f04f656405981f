"""MCN's encoders of whole clips: pooling over what there is, and nothing else."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.encoders import ClipAudio, ClipEncoder, ClipText, ClipVideo, DAVEnetV1


def batch_of() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {
        "text": torch.randn(3, 5, 6),
        "text_mask": torch.arange(5) < torch.tensor([[5], [2], [0]]),
        "video_features": torch.randn(3, 4, 8),
        "video_mask": torch.arange(4) < torch.tensor([[3], [0], [4]]),
        "audio": torch.randn(3, 1, 40, 50),
        "audio_mask": torch.arange(50) < torch.tensor([[50], [16], [0]]),
    }


ENCODERS: list[tuple[ClipEncoder, int]] = [
    (ClipText(6, 10), 10),
    (ClipVideo(8, 10), 8),
    (ClipAudio(10, DAVEnetV1(64)), 16),
]


@pytest.mark.parametrize(("encoder", "pooled_dim"), ENCODERS)
def test_shapes_and_empty_clips(encoder: ClipEncoder, pooled_dim: int) -> None:
    batch = batch_of()
    pooled = encoder.eval().pool(batch)
    assert pooled.values.shape == (3, pooled_dim)
    assert encoder.pooled_dim == pooled_dim
    assert pooled.nonempty.tolist() == batch[f"{encoder.modality}_mask"].any(1).tolist()
    assert not pooled.values[~pooled.nonempty].any()
    out = encoder(batch)
    assert out.shape == (3, 10)
    torch.testing.assert_close(out, encoder.projection(pooled.values))


@pytest.mark.parametrize("encoder", [ENCODERS[0][0], ENCODERS[1][0]])
def test_what_is_masked_does_not_count(encoder: ClipEncoder) -> None:
    batch = batch_of()
    before = encoder.pool(batch).values
    batch[encoder.key][~batch[f"{encoder.modality}_mask"]] = 100.0
    assert torch.equal(encoder.pool(batch).values, before)


def test_text_is_the_maximum_over_words() -> None:
    encoder, batch = ClipText(6, 10), batch_of()
    words = batch["text"][1, :2] @ encoder.words[0].weight.T + encoder.words[0].bias
    torch.testing.assert_close(encoder.pool(batch).values[1], words.clamp(min=0).amax(0))


def test_each_video_stream_has_norm_one() -> None:
    encoder, batch = ClipVideo(8, 10), batch_of()
    pooled = encoder.pool(batch).values
    peak = batch["video_features"][0, :3].amax(0)
    torch.testing.assert_close(pooled[0], torch.cat([F.normalize(half, dim=0) for half in peak.split(4)]))
    whole = ClipVideo(8, 10, streams=1).pool(batch).values
    torch.testing.assert_close(whole[0], F.normalize(peak, dim=0))
    with pytest.raises(ValueError, match="streams=3 must divide in_dim=8"):
        ClipVideo(8, 10, streams=3)


def test_audio_counts_the_padding_in_training_alone() -> None:
    encoder, batch = ClipAudio(10, DAVEnetV1(64)).eval(), batch_of()
    maps = encoder.cnn(batch["audio"])  # 4 tokens, of 16 frames each
    torch.testing.assert_close(encoder.pool(batch).values[1], maps[1, :, 0])
    encoder.training = True  # while BatchNorm stays as it is
    torch.testing.assert_close(encoder.pool(batch).values[1], maps[1].mean(1))
    torch.testing.assert_close(encoder.pool(batch).values[0], maps[0].mean(1))
