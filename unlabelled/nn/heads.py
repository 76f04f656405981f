"""Projectors, and heads that predict clusters."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MLP(nn.Sequential):
    """Multi-layer perceptron, a projector or predictor: maps ``(batch, in_dim)`` to ``(batch, out_dim)``.

    Hidden layers are Linear, BatchNorm and ReLU; the output layer is Linear, with ``norm`` ``all`` followed
    by BatchNorm without scale and shift. A Linear before BatchNorm has no bias. Initialisation is torch's.

    Args:
        in_dim: Size of a feature.
        hidden_dim: Width of every hidden layer.
        out_dim: Size of the result, which is not normalised.
        num_layers: Linear layers, the output layer included.
        norm: The layers with BatchNorm: ``none``, the ``hidden`` ones, or ``all``.
        output_bias: ``False``: no bias in the output layer (predictors of SCE).
        dropout: Probability, before each Linear (GDT: 0.3).

    Raises:
        ValueError: ``num_layers`` below 1, an unknown ``norm``, or ``dropout`` outside 0 to 1.

    Source: SCE Tables 21 and 24; docs/methods/sce.md#architectures.

    Example:
        >>> [type(layer).__name__ for layer in MLP(8, 16, 4)]
        ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
        >>> tuple(MLP(8, 16, 4)(torch.zeros(2, 8)).shape)
        (2, 4)
    """

    def __init__(
        self,
        in_dim: int,
        hidden_dim: int,
        out_dim: int,
        num_layers: int = 2,
        norm: Literal["none", "hidden", "all"] = "hidden",
        output_bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        if num_layers < 1 or norm not in ("none", "hidden", "all"):
            raise ValueError(
                f"MLP: num_layers is {num_layers} and norm {norm!r}, expected num_layers >= 1 and norm "
                "'none', 'hidden' or 'all'"
            )
        drop = (
            [nn.Dropout(dropout)] if dropout else []
        )  # no layer at 0: it would change the keys of checkpoints
        layers: list[nn.Module] = []
        for i in range(num_layers - 1):
            layers += drop
            layers.append(nn.Linear(hidden_dim if i else in_dim, hidden_dim, bias=norm == "none"))
            if norm != "none":
                layers.append(nn.BatchNorm1d(hidden_dim))
            layers.append(nn.ReLU(inplace=True))
        bias = output_bias and norm != "all"
        layers += drop
        layers.append(nn.Linear(hidden_dim if num_layers > 1 else in_dim, out_dim, bias=bias))
        if norm == "all":
            layers.append(nn.BatchNorm1d(out_dim, affine=False))
        super().__init__(*layers)
        self.out_dim = out_dim


class ClusterHeads(nn.Module, ABC):
    """Base of H heads on one feature: a training step applies all, a clustering pass one at a time."""

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(batch, D)`` to ``(batch, H, outputs)``."""

    @abstractmethod
    def forward_head(self, features: Tensor, head: int) -> Tensor:
        """Map features ``(n, D)`` to the outputs ``(n, outputs)`` of one head, as in evaluation mode."""


class LinearHeads(ClusterHeads):
    """H independent linear heads.

    Args:
        in_dim: D.
        num_clusters: K.
        num_heads: H.
        std: Standard deviation of the initial weights, with biases of 0 (DeepCluster: 0.01); None:
            initialisation as of ``nn.Linear``.
    """

    def __init__(self, in_dim: int, num_clusters: int, num_heads: int, std: float | None = None) -> None:
        super().__init__()
        self.num_heads, self.std = num_heads, std
        self.weight = nn.Parameter(torch.empty(num_heads, num_clusters, in_dim))
        self.bias = nn.Parameter(torch.empty(num_heads, num_clusters))
        for head in range(num_heads):
            self.reset(head)

    @torch.no_grad()
    def reset(self, head: int, generator: torch.Generator | None = None) -> None:
        """Draw new weights of one head, by a generator of the CPU."""
        weight, bias = torch.empty(self.weight.shape[1:]), torch.zeros(self.bias.shape[1])
        if self.std is None:
            bound = 1 / math.sqrt(weight.shape[1])
            nn.init.uniform_(weight, -bound, bound, generator=generator)
            nn.init.uniform_(bias, -bound, bound, generator=generator)
        else:
            nn.init.normal_(weight, std=self.std, generator=generator)
        self.weight[head], self.bias[head] = weight.to(self.weight), bias.to(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(batch, D)`` to logits ``(batch, H, K)``."""
        logits = F.linear(features, self.weight.flatten(0, 1), self.bias.flatten())
        return logits.view(len(features), self.num_heads, -1)

    def forward_head(self, features: Tensor, head: int) -> Tensor:
        """Map features ``(n, D)`` to the logits ``(n, K)`` of one head."""
        return F.linear(features, self.weight[head], self.bias[head])


class PrototypeHeads(ClusterHeads):
    """H sets of K prototypes without gradient, which the clustering pass sets.

    Args:
        dim: D, of the prototypes and of the embeddings they are compared with.
        num_clusters: K.
        num_heads: H.
        temperature: Divides the inner products.
    """

    prototypes: Tensor

    def __init__(self, dim: int, num_clusters: int, num_heads: int, temperature: float) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"PrototypeHeads: temperature is {temperature}, expected a positive number")
        self.temperature = temperature
        self.register_buffer("prototypes", torch.zeros(num_heads, num_clusters, dim))

    def forward(self, features: Tensor) -> Tensor:
        """Map embeddings ``(batch, D)`` to logits ``(batch, H, K)``."""
        return torch.einsum("bd,hkd->bhk", features, self.prototypes) / self.temperature

    def forward_head(self, features: Tensor, head: int) -> Tensor:
        """Map embeddings ``(n, D)`` to the logits ``(n, K)`` of one head."""
        logits: Tensor = features @ self.prototypes[head].T / self.temperature
        return logits


class MultiHead(ClusterHeads):
    """H independent two-layer MLP heads, computed by one batched matrix product per layer.

    Each head is Dropout, Linear without bias, BatchNorm, ReLU, Dropout, Linear; parameters and
    initialisation are those of H separate heads (``torch`` defaults for the linear layers).

    Args:
        in_dim: D, size of the encoder's feature.
        num_clusters: K, outputs of each head: raw logits, no normalisation, no temperature.
        num_heads: H.
        hidden_dim: Width of the hidden layer (paper: 512).
        dropout: Probability in both dropout layers (SeLaVi's code: 0.3).

    Source: SeLaVi appendix A.2, "two-layer MLP-heads"; facebookresearch/selavi, model.py;
    docs/methods/selavi.md#heads.
    """

    def __init__(
        self, in_dim: int, num_clusters: int, num_heads: int, hidden_dim: int = 512, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.num_heads, self.hidden_dim, self.dropout = num_heads, hidden_dim, dropout
        self.weight1 = nn.Parameter(torch.empty(num_heads, in_dim, hidden_dim))
        self.norm = nn.BatchNorm1d(num_heads * hidden_dim)
        self.weight2 = nn.Parameter(torch.empty(num_heads, hidden_dim, num_clusters))
        self.bias2 = nn.Parameter(torch.empty(num_heads, num_clusters))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights as ``nn.Linear`` does: uniform within one over the root of the fan-in."""
        for weight in (self.weight1, self.weight2, self.bias2):
            fan_in = self.hidden_dim if weight is self.bias2 else weight.shape[1]
            nn.init.uniform_(weight, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        self.norm.reset_parameters()

    def forward(self, features: Tensor) -> Tensor:
        """Map features ``(batch, D)`` to logits ``(batch, H, K)``."""
        copies = features.expand(self.num_heads, *features.shape)  # (H, batch, D): each head its own dropout
        hidden = torch.bmm(F.dropout(copies, self.dropout, self.training), self.weight1)
        hidden = self.norm(hidden.transpose(0, 1).flatten(1)).relu()  # (batch, H * hidden)
        hidden = F.dropout(hidden, self.dropout, self.training).view(len(features), self.num_heads, -1)
        logits = torch.baddbmm(self.bias2.unsqueeze(1), hidden.transpose(0, 1), self.weight2)
        return logits.transpose(0, 1)

    def forward_head(self, features: Tensor, head: int) -> Tensor:
        """Map features ``(n, D)`` to the logits ``(n, K)`` of one head, as in evaluation mode.

        The clustering pass applies one head after the other, so that one ``(n, K)`` array is in memory.
        """
        part = slice(head * self.hidden_dim, (head + 1) * self.hidden_dim)
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        hidden = F.batch_norm(
            features @ self.weight1[head],
            norm.running_mean[part],
            norm.running_var[part],
            norm.weight[part],
            norm.bias[part],
            eps=norm.eps,
        )
        return torch.addmm(self.bias2[head], hidden.relu(), self.weight2[head])

    @torch.no_grad()
    def permute_outputs(self, head: int, permutation: Tensor) -> None:
        """Reorder the outputs of one head: output k becomes the former output ``permutation[k]``.

        Args:
            head: Index of the head.
            permutation: ``(K,)`` int64.
        """
        self.weight2[head] = self.weight2[head][:, permutation]
        self.bias2[head] = self.bias2[head][permutation]
