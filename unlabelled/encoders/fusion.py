"""Transformers over tokens of one or several modalities, and the pooling of tokens to one feature."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.encoders.tokens import Tokens

_EPS = 1e-6
_INITIAL_STD = 0.02  # of the weights


class FusionTransformer(nn.Module):
    """Pre-norm transformer blocks over a set of tokens, without positions and without a final norm.

    Args:
        dim: D.
        depth: Number of blocks; 0: the tokens are not changed (ablation of EAO).
        num_heads: Heads of the attention; they divide D.
        mlp_ratio: Hidden width of the MLPs, as a multiple of D.
        cls_token: Prepend a learned token, whose output is the feature (ablation of EAO).

    Raises:
        ValueError: ``num_heads`` does not divide ``dim``, or ``depth`` is negative.

    Source: Shvetsova et al. 2022 (arXiv:2112.04446); ninatu/everything_at_once,
    everything_at_once/model/utils/fusion_transformer.py; docs/methods/sspc.md#transformer.
    """

    def __init__(
        self, dim: int, depth: int = 1, num_heads: int = 64, mlp_ratio: float = 1.0, cls_token: bool = False
    ) -> None:
        super().__init__()
        if depth < 0 or dim % num_heads:
            raise ValueError(
                f"FusionTransformer: depth={depth}, dim={dim}, num_heads={num_heads}; expected depth >= 0 "
                "and a dim that num_heads divides"
            )
        self.blocks = nn.ModuleList(_Block(dim, num_heads, int(mlp_ratio * dim)) for _ in range(depth))
        self.cls_token = nn.Parameter(_initial_token(dim)) if cls_token else None

    def forward(self, tokens: Tokens) -> Tensor:
        """Map tokens ``(B, T, D)`` to ``(B, T, D)``; masked tokens are not attended to.

        With ``cls_token`` the result is ``(B, 1 + T, D)``, the output of the learned token first. Each sample
        needs at least one token: see :class:`MaskingToken`.
        """
        values, mask = tokens
        if self.cls_token is not None:
            values = torch.cat([self.cls_token.to(values.dtype).expand(len(values), 1, -1), values], 1)
            mask = F.pad(mask, (1, 0), value=True)
        for block in self.blocks:
            values = block(values, mask)
        return values


class MaskingToken(nn.Module):
    """A learned token that replaces the first token of each sample without tokens.

    Args:
        dim: D.

    Source: ninatu/everything_at_once, everything_at_once/model/fusion_model.py;
    docs/methods/sspc.md#token-encoders.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.token = nn.Parameter(_initial_token(dim))

    def forward(self, tokens: Tokens) -> Tokens:
        """Map tokens ``(B, T, D)`` to tokens with at least one per sample."""
        first = torch.zeros_like(tokens.mask)
        first[:, 0] = ~tokens.nonempty
        values = torch.where(first.unsqueeze(2), self.token.to(tokens.values.dtype), tokens.values)
        return Tokens(values, tokens.mask | first)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the tokens in the mask, ``(B, D)`` float32.

    It is ``sum(mask * values) / (sum(mask) + 1e-5)``.

    Args:
        values: ``(B, T, D)``.
        mask: ``(B, T)`` bool.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/model/fusion_model.py;
    docs/methods/sspc.md#token-encoders.

    Example:
        >>> mask = torch.tensor([[True, True, False]])
        >>> [round(x, 2) for x in masked_mean(torch.tensor([[[1.0], [3.0], [9.0]]]), mask)[0].tolist()]
        [2.0]
    """
    weights = mask.unsqueeze(2)
    return torch.where(weights, values, 0).float().sum(1) / (weights.sum(1) + 1e-5)


def _initial_token(dim: int) -> Tensor:
    return nn.init.trunc_normal_(torch.empty(dim), std=_INITIAL_STD)


def _linear(in_dim: int, out_dim: int) -> nn.Linear:
    linear = nn.Linear(in_dim, out_dim)
    nn.init.trunc_normal_(linear.weight, std=_INITIAL_STD)
    nn.init.zeros_(linear.bias)
    return linear


class _Block(nn.Module):
    def __init__(self, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim, eps=_EPS)
        self.attention = _Attention(dim, num_heads)
        self.mlp_norm = nn.LayerNorm(dim, eps=_EPS)
        self.mlp = nn.Sequential(_linear(dim, hidden), nn.GELU(), _linear(hidden, dim))

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        values = values + self.attention(self.attention_norm(values), mask)
        out: Tensor = values + self.mlp(self.mlp_norm(values))
        return out


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.inputs = _linear(dim, 3 * dim)  # queries, keys and values
        self.output = _linear(dim, dim)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        heads = self.inputs(values).unflatten(2, (3, self.num_heads, -1))  # (B, T, 3, heads, D / heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        out: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return out
