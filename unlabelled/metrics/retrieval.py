"""Recall of the class of a query among its nearest neighbours in another set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_


def recall_at_k(labels: Tensor, targets: Tensor, ks: Sequence[int]) -> dict[int, float]:
    """Return R@k by k: the share of all ranks' queries with one of their class among the k nearest.

    Args:
        labels: ``(n, k_max)`` classes of the nearest bank rows of this rank's queries, the nearest first. A
            bank with fewer than k rows is searched as a whole.
        targets: ``(n,)``, the queries' classes.
        ks: Numbers of neighbours.

    Raises:
        ValueError: No rank has a query, or a k below 1.

    Source: SCE section 4.2.2 and Table 19; SeLaVi appendix A.7; docs/methods/sce.md#video-retrieval.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"recall: k must be at least 1, got {list(ks)}")
    same = labels == targets.unsqueeze(1)
    hits = [same[:, :k].any(1).sum() for k in ks]
    counts = torch.stack([*hits, hits[0].new_tensor(len(targets))])
    all_reduce_sum_(counts)
    if counts[-1] == 0:
        raise ValueError("recall: there are no labelled queries")
    return {k: int(hit) / int(counts[-1]) for k, hit in zip(ks, counts, strict=False)}


def centred(features: Tensor) -> Tensor:
    """Subtract the mean over the rows of all ranks from ``(n, D)``.

    Source: juliendenize/eztorch, run/retrieval_from_bank.py, which centres queries and bank each by its own
    mean; docs/methods/sce.md#video-retrieval.
    """
    total = features.double().sum(0)
    count = torch.tensor(float(len(features)), dtype=torch.float64, device=features.device)
    mean = all_reduce_sum_(total) / all_reduce_sum_(count)
    return features - mean.to(features.dtype)


def cosine_pair(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Return both sets, ``(n, D)`` and ``(m, D)``, such that their dot products are cosines."""
    return F.normalize(queries, dim=1), F.normalize(bank, dim=1)


def euclidean_pair(queries: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """Return both sets, ``(n, D + 1)`` and ``(m, D + 1)``, with the dot products of the nearest largest.

    ``q . b - |b|^2 / 2`` falls with the Euclidean distance of ``q`` and ``b``. In float64, since the two
    terms nearly cancel.
    """
    queries, bank = queries.double(), bank.double()
    half = bank.square().sum(1, keepdim=True) / 2
    return torch.cat([queries, torch.ones_like(queries[:, :1])], 1), torch.cat([bank, -half], 1)
