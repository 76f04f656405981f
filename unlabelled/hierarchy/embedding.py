"""HypHC's optimisation: leaves in hyperbolic space are moved until similar ones have a deep common ancestor.

All leaves share one radius, so only directions and that radius are learned, and Adam needs no Riemannian
form.

Source: sHHC paper (ICCV 2023) section 3.2, equations 10 and 12; the defaults are ours, see
docs/methods/shhc.md#hyper-parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage import DECODERS, Decoder, decode
from unlabelled.hierarchy.manifolds import Manifold, PoincareBall
from unlabelled.hierarchy.starts import ExponentialStart, Start
from unlabelled.hierarchy.tree import Tree
from unlabelled.hierarchy.triplets import TripletSampler, UniformTriplets, triplet_loss
from unlabelled.seeding import torch_generator

SMALLEST_GAIN = 1e-9
"""Smallest relative gain of a cost; rounding must not decide which points are kept."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Leaves in a manifold, and the cheapest tree decoded from them.

    Args:
        points: ``(K, D)`` float64, all of one norm.
        tree: Decoded from the points.
        decoder: The decoder of that tree.
        report: The cost of the tree, and the epoch, radius and mean loss at which it was found.
    """

    points: Tensor
    tree: Tree
    decoder: Decoder
    report: dict[str, float]


class TripletEmbedding:
    """Minimises the triplet loss by Adam and keeps the state with the cheapest tree; float64 on the CPU.

    Near the end the loss and the cost of the decoded tree do not fall together, so the cost determines the
    state and the end.

    Args:
        dim: Dimension of the manifold.
        start: The first directions; None: :class:`ExponentialStart`.
        triplets: Sampler of the triplets of each epoch; None: :class:`UniformTriplets`, 100,000 per epoch.
        epochs: Largest number of epochs; 0 decodes the start.
        patience: Number of epochs without a cheaper tree after which training ends.
        batch_size: Triplets per step.
        lr: First learning rate; it falls to 0 along a cosine.
        temperature: tau of the first epoch.
        last_temperature: tau of the last epoch; it falls exponentially.
        radius: First norm of the leaves, relative to the largest one.
        decoders: Decoders of the trees; the cheapest tree is kept.
        manifold: The space of the leaves; None: :class:`PoincareBall`.
    """

    def __init__(
        self,
        dim: int = 50,
        start: Start | None = None,
        triplets: TripletSampler | None = None,
        epochs: int = 20,
        patience: int = 5,
        batch_size: int = 4096,
        lr: float = 1e-2,
        temperature: float = 0.2,
        last_temperature: float = 0.02,
        radius: float = 0.9,
        decoders: tuple[Decoder, ...] = DECODERS,
        manifold: Manifold | None = None,
    ) -> None:
        if min(dim, patience, batch_size, len(decoders)) < 1 or epochs < 0:
            raise ValueError(
                f"TripletEmbedding: dim={dim}, patience={patience}, batch_size={batch_size}, "
                f"decoders={decoders}, epochs={epochs}; expected at least 1 of each, of epochs at least 0"
            )
        if not min(lr, temperature, last_temperature) > 0 or not 0 < radius < 1:
            raise ValueError(
                f"TripletEmbedding: lr={lr}, temperature={temperature}, last_temperature={last_temperature}, "
                f"radius={radius}; expected positive numbers, and a radius below 1"
            )
        self.dim = dim
        self.start: Start = ExponentialStart() if start is None else start
        self.triplets: TripletSampler = UniformTriplets() if triplets is None else triplets
        self.epochs, self.patience, self.batch_size = epochs, patience, batch_size
        self.lr, self.temperature, self.last_temperature = lr, temperature, last_temperature
        self.radius = radius
        self.decoders = decoders
        self.manifold: Manifold = PoincareBall() if manifold is None else manifold

    @torch.enable_grad()
    def fit(self, leaves: Leaves, seed: int = 0) -> Embedding:
        """Embed the leaves, also under ``torch.no_grad``; ``seed`` determines all random draws."""
        points = self.manifold.embed(self.start.tangents(leaves, self.dim, seed))
        placed = SharedRadius(points, self.manifold, self.radius, seed)
        best, since_best = self._decoded(placed, leaves, {"epoch": 0.0}), 0
        for epoch, loss in enumerate(self._train(placed, leaves, seed), start=1):
            found = self._decoded(placed, leaves, {"epoch": float(epoch), "triplet_loss": loss})
            since_best += 1
            if _is_cheaper(found, best):
                best, since_best = found, 0
            if since_best >= self.patience:
                break
        return best

    def _train(self, placed: SharedRadius, leaves: Leaves, seed: int) -> Iterator[float]:
        """Yield the mean loss of each epoch; fewer than three leaves have no triplets."""
        similarity = torch.from_numpy(leaves.similarity + np.eye(len(leaves)))
        optimizer = torch.optim.Adam(placed.parameters())
        epochs = range(self.epochs if len(leaves) >= 3 else 0)
        for epoch, triplets in zip(epochs, self.triplets.epochs(len(leaves), seed), strict=False):
            optimizer.param_groups[0]["lr"] = self.lr * (1 + math.cos(math.pi * epoch / self.epochs)) / 2
            total = 0.0
            for batch in torch.split(triplets.T.contiguous(), self.batch_size, dim=1):
                loss = self._loss(placed, similarity, batch, self._temperature(epoch))
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += float(loss.detach()) * batch.shape[1]
            yield total / len(triplets)

    def _loss(self, placed: SharedRadius, similarity: Tensor, batch: Tensor, temperature: float) -> Tensor:
        weights = similarity[batch, batch.roll(1, 0)]  # of each corner and the one before it
        return triplet_loss(placed.depths(batch), weights, temperature).mean()

    def _temperature(self, epoch: int) -> float:
        share = epoch / max(1, self.epochs - 1)
        return float(self.temperature ** (1 - share) * self.last_temperature**share)

    @torch.no_grad()
    def _decoded(self, placed: SharedRadius, leaves: Leaves, report: dict[str, float]) -> Embedding:
        depths = placed.all_depths()
        trees = {decoder: decode(depths, decoder) for decoder in self.decoders}
        costs = {name: dasgupta_1x(tree, leaves.weights, leaves.counts) for name, tree in trees.items()}
        cheapest = min(self.decoders, key=lambda name: costs[name])
        report |= {f"cost_{name}_decoder": cost for name, cost in costs.items()}
        report |= {"dasgupta_1x": costs[cheapest], "radius": float(placed.radius)}
        return Embedding(placed.points(), trees[cheapest], cheapest, report)


def _is_cheaper(found: Embedding, best: Embedding) -> bool:
    cost, least = found.report["dasgupta_1x"], best.report["dasgupta_1x"]
    return cost < least - SMALLEST_GAIN * abs(least)


class SharedRadius(nn.Module):
    """Leaves on one learned radius of a manifold.

    The radius is a sigmoid between the limits of the manifold, whose gradient is never 0, unlike that of a
    clamp.

    Args:
        start: ``(K, D)`` float64 vectors in the first directions of the leaves; random ones replace zeros.
        manifold: The space of the leaves.
        share: The first radius, from the smallest (0) to the largest (1) of the manifold.
        seed: Seed of the random directions.

    Source: HazyResearch/HypHC, model/hyphc.py, ``normalize_embeddings``, which clamps the radius.
    """

    def __init__(self, start: Tensor, manifold: Manifold, share: float, seed: int) -> None:
        super().__init__()
        self.manifold = manifold
        self._smallest, largest = manifold.radius_limits()
        self._range = largest - self._smallest
        is_zero = start.norm(dim=1, keepdim=True) == 0
        random = torch.randn(start.shape, dtype=start.dtype, generator=torch_generator(seed, "no direction"))
        self.directions = nn.Parameter(torch.where(is_zero, random, start))
        self.radius_logit = nn.Parameter(torch.tensor(math.log(share / (1 - share)), dtype=start.dtype))

    @property
    def radius(self) -> Tensor:
        """Euclidean norm of the leaves."""
        return self._smallest + self._range * self.radius_logit.sigmoid()

    def points(self) -> Tensor:
        """Return a copy of the leaves ``(K, D)``."""
        return (F.normalize(self.directions, dim=1) * self.radius).detach().clone()

    def depths(self, triplets: Tensor) -> Tensor:
        """Return the LCA depths ``(3, B)`` of each corner of ``triplets (3, B)`` and the corner before it."""
        corners = F.embedding(triplets, F.normalize(self.directions, dim=1))  # (3, B, D)
        return self.manifold.cosine_depth((corners * corners.roll(1, 0)).sum(2), self.radius)

    @torch.no_grad()
    def all_depths(self) -> Tensor:
        """Return the LCA depths ``(K, K)`` of all pairs."""
        unit = F.normalize(self.directions, dim=1)
        return self.manifold.cosine_depth(unit @ unit.T, self.radius)
