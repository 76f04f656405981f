"""The batched heads against separate ones built from plain layers; the MLP against parameter counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unlabelled.nn.heads import MLP, LinearHeads, MultiHead, PrototypeHeads

H, D, HIDDEN, K = 3, 6, 5, 4


def separate(heads: MultiHead, head: int) -> nn.Sequential:
    """Copy one head into plain layers."""
    first, norm, last = nn.Linear(D, HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.Linear(HIDDEN, K)
    part = slice(head * HIDDEN, (head + 1) * HIDDEN)
    with torch.no_grad():
        first.weight.copy_(heads.weight1[head].T)
        last.weight.copy_(heads.weight2[head].T)
        last.bias.copy_(heads.bias2[head])
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(norm, name).copy_(getattr(heads.norm, name)[part])
    return nn.Sequential(first, norm, nn.ReLU(), last)


@pytest.fixture
def heads() -> MultiHead:
    torch.manual_seed(0)
    heads = MultiHead(D, K, H, HIDDEN, dropout=0.0)
    nn.init.normal_(heads.norm.weight)
    nn.init.normal_(heads.norm.bias)
    return heads


@pytest.mark.parametrize("training", [True, False])
def test_equal_to_separate_heads(heads: MultiHead, training: bool) -> None:
    singles = [separate(heads, h).train(training) for h in range(H)]
    heads.train(training)
    for _ in range(2):  # the second time with changed running statistics
        features = torch.randn(7, D)
        logits = heads(features)
        assert logits.shape == (7, H, K)
        expected = torch.stack([single(features) for single in singles], 1)
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_one_head_alone_equals_its_part_of_all(heads: MultiHead) -> None:
    heads(torch.randn(7, D))  # fills the running statistics
    features = torch.randn(9, D)
    heads.eval()
    for head in range(H):
        torch.testing.assert_close(heads.forward_head(features, head), heads(features)[:, head])


def test_parameter_counts_of_the_paper() -> None:
    for clusters, expected in ((28, 277_532), (32, 279_584), (309, 421_685), (400, 468_368)):
        heads = MultiHead(512, clusters, num_heads=2)
        assert sum(parameter.numel() for parameter in heads.parameters()) == 2 * expected


def test_permuted_outputs(heads: MultiHead) -> None:
    features, permutation = torch.randn(5, D), torch.tensor([2, 0, 3, 1])
    heads.eval()
    before = heads(features)
    heads.permute_outputs(1, permutation)
    after = heads(features)
    torch.testing.assert_close(after[:, 1], before[:, 1][:, permutation])
    torch.testing.assert_close(after[:, [0, 2]], before[:, [0, 2]])


def test_dropout_differs_between_heads_and_is_off_in_evaluation() -> None:
    heads = MultiHead(64, K, 2, 32, dropout=0.5)
    with torch.no_grad():
        heads.weight1[1].copy_(heads.weight1[0])
        heads.weight2[1].copy_(heads.weight2[0])
        heads.bias2[1].copy_(heads.bias2[0])
    features = torch.randn(8, 64)
    logits = heads(features)
    assert not torch.allclose(logits[:, 0], logits[:, 1])
    logits = heads.eval()(features)
    # evaluation: same weights, same running statistics up to what each head's dropout left in them
    heads.norm.reset_running_stats()
    logits = heads(features)
    torch.testing.assert_close(logits[:, 0], logits[:, 1])


@pytest.mark.parametrize(
    ("mlp", "expected"),
    [
        (MLP(512, 512, 128), 328_832),
        (MLP(2048, 4096, 256, norm="none"), 9_441_536),
        (MLP(2048, 2048, 256, num_layers=3, norm="all"), 8_921_088),
        (MLP(2048, 4096, 256, num_layers=3, norm="all"), 26_230_784),
        (MLP(256, 4096, 256, output_bias=False), 2_105_344),
        (MLP(512, 1024, 256, num_layers=3, norm="all"), 1_839_104),
        (MLP(256, 1024, 256, output_bias=False), 526_336),
    ],
)
def test_parameter_counts_of_sce(mlp: MLP, expected: int) -> None:
    assert sum(parameter.numel() for parameter in mlp.parameters()) == expected


@pytest.mark.parametrize("norm", ["none", "hidden", "all"])
def test_mlp_equals_its_formula(norm: Any) -> None:
    def normed(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()

    mlp = MLP(6, 5, 4, num_layers=3, norm=norm)
    assert mlp.out_dim == 4
    features = torch.randn(9, 6)
    linears = [layer for layer in mlp if isinstance(layer, nn.Linear)]
    hidden = features
    for linear in linears[:-1]:
        hidden = F.linear(hidden, linear.weight, linear.bias)
        hidden = (hidden if norm == "none" else normed(hidden)).relu()
    result = F.linear(hidden, linears[-1].weight, linears[-1].bias)
    torch.testing.assert_close(mlp(features), normed(result) if norm == "all" else result)
    biased = [linear.bias is not None for linear in linears]
    assert biased == {"none": [True] * 3, "hidden": [False, False, True], "all": [False] * 3}[norm]


def test_mlp_with_dropout_is_gdts_head() -> None:
    """Dropout before each Linear; without it the layers keep their numbers, which checkpoints name."""
    head = MLP(512, 512, 256, dropout=0.3)
    assert sum(parameter.numel() for parameter in head.parameters()) == 512 * 512 + 2 * 512 + 513 * 256
    kinds = [nn.Dropout, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert [type(layer) for layer in head] == kinds
    assert [layer.p for layer in head if isinstance(layer, nn.Dropout)] == [0.3, 0.3]
    assert [type(layer) for layer in MLP(6, 5, 4)] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]


def test_mlp_of_one_layer_is_linear() -> None:
    mlp = MLP(6, 5, 4, num_layers=1)
    features = torch.randn(3, 6)
    torch.testing.assert_close(mlp(features), F.linear(features, mlp[0].weight, mlp[0].bias))


@pytest.mark.parametrize("wrong", [{"num_layers": 0}, {"norm": "batch"}])
def test_mlp_refuses_what_it_does_not_know(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected num_layers >= 1 and norm 'none', 'hidden' or 'all'"):
        MLP(6, 5, 4, **wrong)


def test_linear_heads_equal_separate_linear_layers() -> None:
    torch.manual_seed(0)
    heads, features = LinearHeads(D, K, H), torch.randn(7, D)
    expected = torch.stack([F.linear(features, heads.weight[h], heads.bias[h]) for h in range(H)], 1)
    torch.testing.assert_close(heads(features), expected)
    for head in range(H):
        torch.testing.assert_close(heads.forward_head(features, head), expected[:, head])
    heads(features).sum().backward()
    assert heads.weight.grad is not None
    assert heads.bias.grad is not None


def test_linear_heads_start_as_linear_layers_do_or_small_and_without_bias() -> None:
    torch.manual_seed(0)
    plain, small = LinearHeads(64, 200, 2), LinearHeads(64, 200, 2, std=0.01)
    for values in (plain.weight, plain.bias):
        assert values.abs().max().item() == pytest.approx(1 / 8, rel=0.05)  # uniform within 1/sqrt(64)
        assert values.std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.1)
    assert small.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not small.bias.any()


@pytest.mark.parametrize("std", [None, 0.01])
def test_one_linear_head_is_drawn_again_by_its_generator_alone(std: float | None) -> None:
    heads = LinearHeads(D, K, H, std)
    nn.init.ones_(heads.bias)
    before = [heads.weight.clone(), heads.bias.clone()]
    for _ in range(2):
        torch.rand(1)
        heads.reset(1, torch.Generator().manual_seed(5))
        after = [heads.weight.clone(), heads.bias.clone()]
        for old, new in zip(before, after, strict=True):
            assert torch.equal(old[[0, 2]], new[[0, 2]])
            assert not torch.equal(old[1], new[1])
    again = LinearHeads(D, K, H, std)
    again.reset(1, torch.Generator().manual_seed(5))
    assert torch.equal(again.weight[1], heads.weight[1])
    assert torch.equal(again.bias[1], heads.bias[1])
    assert heads.weight.requires_grad
    assert heads.weight.grad_fn is None


def test_prototypes_are_compared_by_inner_products_and_learn_nothing() -> None:
    torch.manual_seed(0)
    heads, features = PrototypeHeads(D, K, H, temperature=0.1), torch.randn(7, D, requires_grad=True)
    assert not heads(features).any()
    heads.prototypes.copy_(torch.randn(H, K, D))
    logits = heads(features)
    for h in range(H):
        for k in range(K):
            expected = (features * heads.prototypes[h, k]).sum(1) / 0.1
            torch.testing.assert_close(logits[:, h, k], expected)
        torch.testing.assert_close(heads.forward_head(features, h), logits[:, h])
    assert not list(heads.parameters())
    assert "prototypes" in heads.state_dict()
    logits.sum().backward()
    assert heads.prototypes.grad is None
