"""HypHC's triplet loss, a smooth Dasgupta cost, and its triplets of leaves.

Source: sHHC paper (ICCV 2023) equation 10, with the temperature and mean of HypHC (Chami et al. 2020,
arXiv:2010.00402; HazyResearch/HypHC, model/hyphc.py, datasets/triples.py); docs/methods/shhc.md#triplet-loss.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from unlabelled.seeding import torch_generator


def triplet_loss(depths: Tensor, similarities: Tensor, temperature: float) -> Tensor:
    """Return ``sum w - <softmax(depth / tau), w>`` per triplet; low if the most similar pair is deepest.

    With a small tau the mean over all triplets is the tree's Dasgupta cost, up to factor and constant:
    ``DC = C(K, 3) mean + 2 sum_(i<j) w_ij``.

    Args:
        depths: ``(3, ...)`` LCA depths of the three pairs, in any order.
        similarities: ``(3, ...)`` w of the same pairs.
        temperature: tau; positive.

    Returns:
        ``(...)``, between ``sum w - max w`` and ``sum w - min w``.
    """
    if depths.shape != similarities.shape or depths.shape[:1] != (3,) or not temperature > 0:
        raise ValueError(
            f"triplet loss: depths are {tuple(depths.shape)}, similarities {tuple(similarities.shape)} and "
            f"the temperature is {temperature}; expected equal shapes (3, ...) and a positive temperature"
        )
    return similarities.sum(0) - ((depths / temperature).softmax(0) * similarities).sum(0)


def uniform_triplets(num_leaves: int, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` triplets ``(count, 3)`` int64 of distinct leaves, uniform over all ordered ones."""
    _check(num_leaves, count)
    first, second, third = (torch.randint(num_leaves - i, (count,), generator=generator) for i in range(3))
    second += second >= first  # skips the first one
    lower, upper = torch.minimum(first, second), torch.maximum(first, second)
    third += third >= lower
    third += third >= upper
    return torch.stack([first, second, third], 1)


def pair_covering_triplets(num_leaves: int, count: int, generator: torch.Generator) -> Tensor:
    """Return HypHC's triplets ``(count, 3)`` int64: pairs of leaves, each with a random third leaf.

    All pairs i < j are repeated ``count // pairs`` times; a random selection of them, without repetition,
    is the remainder. With fewer triplets than the ``K (K - 1) / 2`` pairs there is only that selection, which
    lacks some pairs: 100,000 of the 499,500 pairs of 1000 leaves. As in HypHC's ``datasets/triples.py`` the
    third leaf is any of K, so that it equals one of the pair with probability 2 / K.
    """
    _check(num_leaves, count)
    pairs = torch.combinations(torch.arange(num_leaves))
    repeats, remainder = divmod(count, len(pairs))
    chosen = torch.randperm(len(pairs), generator=generator)[:remainder]
    rows = torch.cat([pairs.repeat(repeats, 1), pairs[chosen]])
    third = torch.randint(num_leaves, (count, 1), generator=generator)
    return torch.cat([rows, third], 1)


class TripletSampler(ABC):
    """The triplets of the epochs of an embedding.

    Args:
        per_epoch: Number of triplets.
    """

    def __init__(self, per_epoch: int = 100_000) -> None:
        if per_epoch < 1:
            raise ValueError(f"{type(self).__name__}: per_epoch is {per_epoch}, expected at least 1")
        self.per_epoch = per_epoch

    @abstractmethod
    def epochs(self, num_leaves: int, seed: int) -> Iterator[Tensor]:
        """Yield triplets ``(per_epoch, 3)`` int64 of K leaves in random order, epoch after epoch."""


class UniformTriplets(TripletSampler):
    """New triplets of three different leaves every epoch."""

    def epochs(self, num_leaves: int, seed: int) -> Iterator[Tensor]:
        """Yield uniform triplets."""
        for epoch in itertools.count():
            yield uniform_triplets(num_leaves, self.per_epoch, torch_generator(seed, "triplets", epoch))


class PairCoveringTriplets(TripletSampler):
    """HypHC's scheme: one set, drawn once and shuffled every epoch, of all pairs if the budget allows it.

    With fewer triplets per epoch than pairs, it is a random selection of pairs without repetition.
    """

    def epochs(self, num_leaves: int, seed: int) -> Iterator[Tensor]:
        """Yield the one set in a new order each time."""
        triplets = pair_covering_triplets(num_leaves, self.per_epoch, torch_generator(seed, "triplets"))
        for epoch in itertools.count():
            yield triplets[torch.randperm(len(triplets), generator=torch_generator(seed, "order", epoch))]


def _check(num_leaves: int, count: int) -> None:
    if num_leaves < 3 or count < 1:
        raise ValueError(
            f"triplets: {count} of {num_leaves} leaves asked for, expected at least 1 of at least 3 leaves"
        )
