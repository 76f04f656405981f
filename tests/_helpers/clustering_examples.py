"""The worked examples of Sinkhorn-Knopp that several tests use."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.clustering import RowChange, SinkhornResult, sinkhorn_knopp

LAMBDA = 20.0


def grid(num_samples: int, num_clusters: int) -> tuple[Tensor, Tensor]:
    return torch.arange(num_samples, dtype=torch.float64)[:, None], torch.arange(
        num_clusters, dtype=torch.float64
    )


def tiny_log_probs() -> tuple[Tensor, Tensor]:
    i, k = grid(6, 3)
    return torch.sin(i + 2 * k + 1).log_softmax(1), torch.cos(2 * i + k + 1).log_softmax(1)


def medium_log_probs() -> tuple[Tensor, Tensor]:
    i, k = grid(200, 5)
    video, audio = 3 * torch.sin(0.37 * i + 1.1 * k), 3 * torch.cos(0.23 * i + 0.7 * k)
    return video.log_softmax(1), audio.log_softmax(1)


def joint(log_probs: tuple[Tensor, Tensor]) -> Tensor:
    return LAMBDA / 2 * (log_probs[0] + log_probs[1])


def released(scores: Tensor, marginals: Tensor | None = None) -> SinkhornResult:
    """Solve as the released algorithm does: its start, its steps and its stop rule."""
    return sinkhorn_knopp(
        scores,
        marginals=marginals,
        stop_rule=RowChange(0.1, every=10),
        relaxation=1.0,
        log_beta=torch.zeros(len(scores)),
    )


def two_head_scores(num_samples: int, num_clusters: int, seed: int = 0) -> Tensor:
    """Random sums of log-probabilities with classes behind them, float32."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(num_clusters, (num_samples,), generator=generator)
    total = torch.zeros(num_samples, num_clusters)
    for _ in range(2):
        centres = torch.randn(num_clusters, num_clusters, generator=generator)
        logits = centres[label] + torch.randn(num_samples, num_clusters, generator=generator)
        total += logits.log_softmax(1)
    return total


def long_tailed_scores(num_samples: int, num_clusters: int, seed: int = 0) -> Tensor:
    """Sums of log-probabilities ``(N, K)`` float32 of two confident heads on classes of very unequal sizes.

    Equal shares at lambda 20 move most samples of the large classes: the potentials span about 400.
    """
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.arange(1, num_clusters + 1).pow(-1.2)
    label = torch.multinomial(frequency, num_samples, replacement=True, generator=generator)
    total = torch.zeros(num_samples, num_clusters)
    for _ in range(2):
        logits = torch.randn(num_samples, num_clusters, generator=generator).mul_(2)
        logits += 2 * frequency.log()
        logits[torch.arange(num_samples), label] += 12
        total += logits.log_softmax(1)
    return total
