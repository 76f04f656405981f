"""HypHC's triplet loss, a smooth form of Dasgupta's cost, and its triplets of leaves.

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

    For small tau the mean over all triplets is Dasgupta's cost of the tree, up to a factor and a constant:
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
    """Draw ``count`` ordered triplets ``(count, 3)`` int64 of distinct leaves, uniformly."""
    _check(num_leaves, count)
    first, second, third = (torch.randint(num_leaves - i, (count,), generator=generator) for i in range(3))
    second += second >= first  # skips the first leaf
    lower, upper = torch.minimum(first, second), torch.maximum(first, second)
    third += third >= lower
    third += third >= upper
    return torch.stack([first, second, third], 1)


def pair_covering_triplets(num_leaves: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw HypHC's triplets ``(count, 3)`` int64: pairs of leaves, each with a random third leaf.

    Each pair i < j occurs ``count // pairs`` times; the remaining triplets are a random selection of pairs
    without repetition. If ``count`` is below the ``K (K - 1) / 2`` pairs, only that selection is drawn, such
    as 100,000 of the 499,500 pairs of 1000 leaves. As in HypHC's ``datasets/triples.py`` the third leaf is
    any of K, so it equals one of the pair with probability 2 / K.
    """
    _check(num_leaves, count)
    pairs = torch.combinations(torch.arange(num_leaves))
    repeats, remainder = divmod(count, len(pairs))
    chosen = torch.randperm(len(pairs), generator=generator)[:remainder]
    rows = torch.cat([pairs.repeat(repeats, 1), pairs[chosen]])
    third = torch.randint(num_leaves, (count, 1), generator=generator)
    return torch.cat([rows, third], 1)


class TripletSampler(ABC):
    """Draws the triplets of each epoch of an embedding.

    Args:
        per_epoch: Number of triplets per epoch.
    """

    def __init__(self, per_epoch: int = 100_000) -> None:
        if per_epoch < 1:
            raise ValueError(f"{type(self).__name__}: per_epoch is {per_epoch}, expected at least 1")
        self.per_epoch = per_epoch

    @abstractmethod
    def epochs(self, num_leaves: int, seed: int) -> Iterator[Tensor]:
        """Yield triplets ``(per_epoch, 3)`` int64 of K leaves in random order, once per epoch."""


class UniformTriplets(TripletSampler):
    """Draws new triplets of three distinct leaves in each epoch."""

    def epochs(self, num_leaves: int, seed: int) -> Iterator[Tensor]:
        """Yield uniform triplets."""
        for epoch in itertools.count():
            yield uniform_triplets(num_leaves, self.per_epoch, torch_generator(seed, "triplets", epoch))


class PairCoveringTriplets(TripletSampler):
    """Draws one set of triplets and shuffles it in each epoch, as HypHC does.

    The set covers all pairs if ``per_epoch`` allows it; else it is a random selection of pairs without
    repetition.
    """

    def epochs(self, num_leaves: int, seed: int) -> Iterator[Tensor]:
        """Yield the set in a new order for each epoch."""
        triplets = pair_covering_triplets(num_leaves, self.per_epoch, torch_generator(seed, "triplets"))
        for epoch in itertools.count():
            yield triplets[torch.randperm(len(triplets), generator=torch_generator(seed, "order", epoch))]


def _check(num_leaves: int, count: int) -> None:
    if num_leaves < 3 or count < 1:
        raise ValueError(
            f"triplets: {count} of {num_leaves} leaves requested, expected at least 1 of at least 3 leaves"
        )
