"""HypHC's optimisation: leaves in hyperbolic space, moved until similar ones have a deep common ancestor.

All leaves share one radius, so that only directions and that radius are learned, and plain Adam is enough.

Source: sHHC paper (ICCV 2023) section 3.2, equations 10 and 12; the defaults are ours, see
docs/methods/shhc.md#hyper-parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.decode import DECODERS, Decoder, decode
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.manifolds import Manifold, PoincareBall
from unlabelled.hierarchy.shared_radius import SharedRadius
from unlabelled.hierarchy.starts import ExponentialStart, Start
from unlabelled.hierarchy.tree import Tree
from unlabelled.hierarchy.triplets import TripletSampler, UniformTriplets, triplet_loss

SMALLEST_GAIN = 1e-9
"""Smallest relative gain of a cost; less is rounding, which must not decide which points are kept."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Leaves in a manifold, and the cheapest tree decoded from them.

    Args:
        points: ``(K, D)`` float64, all of one norm.
        tree: Decoded from the points.
        decoder: The decoder of that tree.
        report: The tree's cost, and the epoch, radius and mean loss at which it was found.
    """

    points: Tensor
    tree: Tree
    decoder: Decoder
    report: dict[str, float]


class TripletEmbedding:
    """Adam on the triplet loss, in float64 on the CPU; the embedding with the cheapest decoded tree is kept.

    Near the end loss and decoded cost do not fall together, so the cost decides which state is kept and when
    to stop.

    Args:
        dim: Dimension of the manifold.
        start: The first directions; None: :class:`ExponentialStart`.
        triplets: The triplets of an epoch; None: 100,000 new ones.
        epochs: Most epochs; 0 decodes the start.
        patience: Epochs without a cheaper tree after which to stop.
        batch_size: Triplets per step.
        lr: Learning rate at first; it falls to 0 along a cosine.
        temperature: tau of the first epoch.
        last_temperature: tau of the last; it falls exponentially.
        radius: The leaves' norm at first, relative to the largest one.
        decoders: Decoders of the trees; the cheapest tree counts.
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

    def fit(self, leaves: Leaves, seed: int = 0) -> Embedding:
        """Embed the leaves; also under ``torch.no_grad``."""
        with torch.enable_grad():
            return self._fit(leaves, seed)

    def _fit(self, leaves: Leaves, seed: int) -> Embedding:
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
        """Yield the mean loss of one epoch after the other; fewer than three leaves have no triplets."""
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
        weights = similarity[batch, batch.roll(1, 0)]  # between every corner and the one before it
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
