"""Token encoders of text, video and audio against parameter counts and lengths of the released model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.encoders import (
    AudioTokens,
    DAVEnet,
    DAVEnetV1,
    DAVEnetV2,
    FusionTransformer,
    GatedUnit,
    MaskingToken,
    TextTokens,
    TokenEncoder,
    Tokens,
    VideoTokens,
    masked_mean,
)

UNAPPLIED_NORM = 2  # the released audio CNN has a BatchNorm of its input that it does not apply
UNAPPLIED_FINAL_NORM = 2 * 4096  # the same of the output of its transformer
MASKING_TOKEN = 4096  # a separate module here


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_of_the_released_model() -> None:
    with torch.device("meta"):
        assert count(DAVEnetV2()) == 314_710_018 - UNAPPLIED_NORM
        assert count(DAVEnetV1()) == 44_670_978 - UNAPPLIED_NORM
        transformer, masking_token = count(FusionTransformer(4096)), count(MaskingToken(4096))
        assert transformer == 100_704_256 == 100_716_544 - UNAPPLIED_FINAL_NORM - MASKING_TOKEN
        assert masking_token == MASKING_TOKEN
        encoders = [TextTokens(), VideoTokens(), AudioTokens()]
        assert sum(map(count, encoders)) == 85_164_032 + 314_710_018 - UNAPPLIED_NORM
        assert 3 * count(GatedUnit(4096, 6144)) == 188_780_544


@pytest.mark.parametrize(
    ("network", "frames", "tokens"),
    [
        (DAVEnetV2, 768, 12),
        (DAVEnetV2, 3072, 48),
        (DAVEnetV2, 770, 13),
        (DAVEnetV2, 40, 1),
        (DAVEnetV1, 1000, 63),
    ],
)
def test_lengths_of_the_released_model(network: type[DAVEnetV2], frames: int, tokens: int) -> None:
    cnn = network(64)
    assert cnn(torch.randn(2, 1, 40, frames)).shape == (2, cnn.dim, tokens)
    assert cnn.token_mask(torch.ones(2, frames, dtype=torch.bool)).shape == (2, tokens)


@pytest.mark.parametrize(("real", "tokens"), [(0, 0), (1, 1), (64, 1), (65, 2), (769, 13), (770, 13)])
def test_a_token_is_real_if_any_of_its_frames_is(real: int, tokens: int) -> None:
    mask = DAVEnetV2(64).token_mask(torch.arange(770).lt(real).unsqueeze(0))
    assert mask.tolist() == [[number < tokens for number in range(13)]]
    if real % 64 == 0:  # released code: max-pooling by ceil(frames / tokens)
        pooled = F.max_pool1d(torch.arange(768).lt(real).float()[None], 64).bool()
        assert torch.equal(mask[:, :12], pooled)


def as_images(cnn: DAVEnet, spectrograms: Tensor) -> Tensor:
    """Run the network with 2D convolutions, as released: maps of height 1 after a kernel (40, 1)."""

    def convolve(layer: nn.Conv1d, maps: Tensor, **options: Any) -> Tensor:
        return F.conv2d(maps, layer.weight.unsqueeze(2), **options)

    def norm(layer: nn.BatchNorm1d, maps: Tensor) -> Tensor:
        return F.batch_norm(
            maps, layer.running_mean, layer.running_var, layer.weight, layer.bias, training=False
        )

    kernel = cnn.stem[0].weight.permute(0, 2, 1).unsqueeze(3)  # (stem, 1, 40, 1)
    maps = norm(cnn.stem[1], F.conv2d(spectrograms, kernel)).relu()
    for number, block in enumerate(cnn.trunk):
        stride = {"stride": (1, 2 if len(block.shortcut) else 1)}
        inner = norm(block.branch[1], convolve(block.branch[0], maps, padding=(0, 4), **stride)).relu()
        inner = norm(block.branch[4], convolve(block.branch[3], inner, padding=(0, 4)))
        first_of_stage = number in (0, 2, 4, 5)
        assert first_of_stage == bool(len(block.shortcut))
        if first_of_stage:
            maps = norm(block.shortcut[1], convolve(block.shortcut[0], maps, **stride))
        maps = (maps + inner).relu()
    return maps.squeeze(2)


def test_davenet_is_the_reference_network() -> None:
    torch.manual_seed(0)
    cnn = DAVEnet([6, 8, 10, 12], [2, 2, 1, 1], stem=4).eval()
    for layer in cnn.modules():
        if isinstance(layer, nn.BatchNorm1d):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    spectrograms = torch.randn(2, 1, 40, 77)
    with torch.no_grad():
        torch.testing.assert_close(cnn(spectrograms), as_images(cnn, spectrograms), atol=1e-4, rtol=1e-4)


def test_kernels_of_davenet_have_the_reference_spread() -> None:
    torch.manual_seed(0)
    cnn = DAVEnetV1(2)
    spread = {name: float(value.detach().std()) for name, value in cnn.named_parameters() if value.ndim == 3}
    assert spread["stem.0.weight"] == pytest.approx((2 / (40 * 64)) ** 0.5, rel=0.05)
    assert spread["trunk.4.branch.0.weight"] == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.02)
    assert spread["trunk.4.shortcut.0.weight"] == pytest.approx((2 / 256) ** 0.5, rel=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DAVEnetV2(3), "width_divisor=3 must divide 128"),
        (lambda: DAVEnet([4, 8], [1]), r"widths=\[4, 8\], blocks=\[1\].*as many widths as blocks"),
        (lambda: FusionTransformer(10, num_heads=4), "dim=10, num_heads=4; expected"),
        (lambda: DAVEnetV2(64)(torch.zeros(1, 1, 64, 50)), r"audio has shape \(1, 1, 64, 50\).* 40 bands"),
    ],
)
def test_mistakes_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_gated_unit_by_hand() -> None:
    unit = GatedUnit(2, 3)
    inputs = torch.randn(4, 5, 2)
    hidden = inputs @ unit.linear.weight.T + unit.linear.bias
    gate = 1 / (1 + (-(hidden @ unit.gate.weight.T + unit.gate.bias)).exp())
    torch.testing.assert_close(unit(inputs), hidden * gate)
    torch.testing.assert_close(unit(inputs[1, 2]), unit(inputs)[1, 2])


def batch_of(items: int = 3) -> dict[str, Tensor]:
    torch.manual_seed(1)
    words, frames = torch.arange(4), torch.arange(130)
    return {
        "text": torch.randn(items, 4, 300),
        "text_mask": words < torch.tensor([[4], [2], [0]]),
        "video_features": torch.randn(items, 4, 4096),
        "video_mask": words < torch.tensor([[0], [1], [4]]),
        "audio": torch.randn(items, 1, 40, 130),
        "audio_mask": frames < torch.tensor([[64], [0], [130]]),
    }


@pytest.mark.parametrize(
    ("encoder", "tokens"),
    [
        (TextTokens(dim=8), [4, 2, 0]),
        (VideoTokens(dim=8), [0, 1, 4]),
        (AudioTokens(8, DAVEnetV2(64)), [1, 0, 3]),
    ],
)
def test_tokens_of_each_stream(encoder: TokenEncoder, tokens: list[int]) -> None:
    out = encoder(batch_of())
    assert out.values.shape == (3, out.mask.shape[1], 8)
    assert out.mask.sum(1).tolist() == tokens
    assert out.nonempty.tolist() == [number > 0 for number in tokens]
    torch.testing.assert_close(out.values.mean(2), torch.zeros(out.mask.shape), atol=1e-5, rtol=0)
    with pytest.raises(
        ValueError, match=rf"the batch lacks {encoder.modality}_mask; .* read {encoder.modality}"
    ):
        encoder({encoder.key: batch_of()[encoder.key]})


def test_features_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"video_features has shape \(3, 4, 4096\); expected .* 512"):
        VideoTokens(512, 8)(batch_of())


def test_masked_mean_of_the_worked_example() -> None:
    values = torch.tensor([[[1.0, 3], [5, 7]]])
    expected = torch.tensor([[0.99999, 2.99997]])
    torch.testing.assert_close(
        masked_mean(values, torch.tensor([[True, False]])), expected, atol=1e-7, rtol=0
    )
    values[0, 1] = torch.inf  # masked values do not count, not even infinite ones
    torch.testing.assert_close(
        masked_mean(values, torch.tensor([[True, False]])), expected, atol=1e-7, rtol=0
    )


def test_nothing_becomes_the_masking_token() -> None:
    masking = MaskingToken(5)
    values = torch.randn(3, 4, 5, requires_grad=True)
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]], dtype=torch.bool)
    filled = masking(Tokens(values, mask))
    assert filled.mask.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]
    assert torch.equal(filled.values[1, 0], masking.token)
    filled.values.sum().backward()
    assert values.grad is not None
    assert values.grad.sum(2).tolist() == [[5.0] * 4, [0.0] + [5.0] * 3, [5.0] * 4]
    assert mask.sum() == 3  # nothing in place
    full = masking(Tokens(values.detach(), torch.ones(3, 4, dtype=torch.bool)))
    full.values.sum().backward()  # nothing is empty: a gradient of zero, but a gradient
    assert torch.equal(masking.token.grad, torch.ones(5))


def hand_made(block: nn.Module, values: Tensor, heads: int) -> Tensor:
    """Compute a block in plain sums, without masked tokens."""

    def norm(layer: nn.LayerNorm, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * layer.weight + layer.bias

    query, key, value = block.attention.inputs(norm(block.attention_norm, values)).chunk(3, -1)
    mixed = []
    width = values.shape[-1] // heads
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        scores = query[..., part] @ key[..., part].transpose(1, 2) * width**-0.5
        mixed.append(scores.softmax(-1) @ value[..., part])
    values = values + block.attention.output(torch.cat(mixed, -1))
    hidden = block.mlp[0](norm(block.mlp_norm, values))
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
    return values + block.mlp[2](hidden)


def big(transformer: FusionTransformer) -> FusionTransformer:
    for parameter in transformer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return transformer


def test_a_block_by_hand() -> None:
    torch.manual_seed(0)
    transformer = big(FusionTransformer(12, depth=2, num_heads=3, mlp_ratio=2))
    values = torch.randn(2, 5, 12)
    expected = hand_made(transformer.blocks[1], hand_made(transformer.blocks[0], values, 3), 3)
    torch.testing.assert_close(transformer(Tokens(values, torch.ones(2, 5, dtype=torch.bool))), expected)


@pytest.mark.parametrize("cls_token", [False, True])
def test_padding_and_order_do_not_matter(cls_token: bool) -> None:
    torch.manual_seed(0)
    transformer = big(FusionTransformer(8, num_heads=2, cls_token=cls_token))
    values, mask = torch.randn(2, 6, 8), torch.tensor([[1, 1, 1, 0, 0, 0], [1, 0, 1, 1, 0, 0]]).bool()
    out = transformer(Tokens(values, mask))
    offset = int(cls_token)
    assert out.shape == (2, 6 + offset, 8)
    for item in range(2):
        real = values[item, mask[item]].flip(0).unsqueeze(0)
        alone = transformer(Tokens(real, torch.ones(1, 3, dtype=torch.bool)))[0]
        torch.testing.assert_close(out[item, offset:][mask[item]], alone[offset:].flip(0))
        if cls_token:
            torch.testing.assert_close(out[item, 0], alone[0])


def test_no_transformer_at_all() -> None:
    tokens = Tokens(torch.randn(2, 3, 8), torch.ones(2, 3, dtype=torch.bool))
    assert torch.equal(FusionTransformer(8, depth=0, num_heads=1)(tokens), tokens.values)


def test_initial_weights_of_the_transformer() -> None:
    torch.manual_seed(0)
    for name, value in FusionTransformer(128, num_heads=2).named_parameters():
        if name.endswith("bias"):
            assert not value.any()
        elif value.ndim == 2:
            assert float(value.detach().std()) == pytest.approx(0.02, rel=0.05)
