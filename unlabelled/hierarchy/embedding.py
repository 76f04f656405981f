"""HypHC's optimisation: leaves in hyperbolic space are moved until similar ones have a deep common ancestor.

All leaves share one radius, so only directions and that radius are learned, and Adam needs no Riemannian
form; HypHC's has it.

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
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage import DECODERS, Decoder, decode
from unlabelled.hierarchy.manifolds import Manifold, PoincareBall
from unlabelled.hierarchy.placed_leaves import PlacedLeaves, RiemannianLeaves, SharedRadius
from unlabelled.hierarchy.starts import ExponentialStart, Start
from unlabelled.hierarchy.tree import Tree
from unlabelled.hierarchy.triplets import TripletSampler, UniformTriplets, triplet_loss

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
        radius: First norm of the leaves, from the smallest (0) to the largest (1) of the manifold.
        decoders: Decoders of the trees; the cheapest tree is kept.
        manifold: The space of the leaves; None: :class:`PoincareBall`.
        halve_every: Number of epochs after which learning rate and temperature are halved, as HypHC does, in
            place of the cosine and of ``last_temperature``; None: they are not.
        riemannian: True: the leaves are points of the ball, moved by Riemannian Adam, as in HypHC; False:
            free vectors, of which only the directions matter, moved by Adam.
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
        halve_every: int | None = None,
        riemannian: bool = False,
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
        if halve_every is not None and halve_every < 1:
            raise ValueError(
                f"TripletEmbedding: halve_every={halve_every}; expected at least 1 epoch, or None"
            )
        if riemannian and not isinstance(self.manifold, PoincareBall):
            raise ValueError(
                f"TripletEmbedding: riemannian=True in {type(self.manifold).__name__}; expected PoincareBall"
            )
        self.halve_every, self.riemannian = halve_every, riemannian

    @torch.enable_grad()
    def fit(self, leaves: Leaves, seed: int = 0) -> Embedding:
        """Embed the leaves, also under ``torch.no_grad``; ``seed`` determines all random draws."""
        placed = self._placed(self.manifold.embed(self.start.tangents(leaves, self.dim, seed)), seed)
        best, since_best = self._decoded(placed, leaves, {"epoch": 0.0}), 0
        for epoch, loss in enumerate(self._train(placed, leaves, seed), start=1):
            found = self._decoded(placed, leaves, {"epoch": float(epoch), "triplet_loss": loss})
            since_best += 1
            if _is_cheaper(found, best):
                best, since_best = found, 0
            if since_best >= self.patience:
                break
        return best

    def _placed(self, points: Tensor, seed: int) -> PlacedLeaves:
        if self.riemannian and isinstance(self.manifold, PoincareBall):
            return RiemannianLeaves(points, self.manifold, self.radius, seed)
        return SharedRadius(points, self.manifold, self.radius, seed)

    def _train(self, placed: PlacedLeaves, leaves: Leaves, seed: int) -> Iterator[float]:
        """Yield the mean loss of each epoch; fewer than three leaves have no triplets."""
        similarity = torch.from_numpy(leaves.similarity + np.eye(len(leaves)))
        optimizers = placed.optimizers()
        epochs = range(self.epochs if len(leaves) >= 3 else 0)
        for epoch, triplets in zip(epochs, self.triplets.epochs(len(leaves), seed), strict=False):
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = self._lr(epoch)
            total = 0.0
            for batch in torch.split(triplets.T.contiguous(), self.batch_size, dim=1):
                loss = self._loss(placed, similarity, batch, self._temperature(epoch))
                placed.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                for optimizer in optimizers:
                    optimizer.step()
                placed.restrict()
                total += float(loss.detach()) * batch.shape[1]
            yield total / len(triplets)

    def _loss(self, placed: PlacedLeaves, similarity: Tensor, batch: Tensor, temperature: float) -> Tensor:
        weights = similarity[batch, batch.roll(1, 0)]  # of each corner and the one before it
        return triplet_loss(placed.depths(batch), weights, temperature).mean()

    def _lr(self, epoch: int) -> float:
        if self.halve_every is not None:
            return float(self.lr * 0.5 ** (epoch // self.halve_every))
        return self.lr * (1 + math.cos(math.pi * epoch / self.epochs)) / 2

    def _temperature(self, epoch: int) -> float:
        if self.halve_every is not None:
            return float(self.temperature * 0.5 ** (epoch // self.halve_every))
        share = epoch / max(1, self.epochs - 1)
        return float(self.temperature ** (1 - share) * self.last_temperature**share)

    @torch.no_grad()
    def _decoded(self, placed: PlacedLeaves, leaves: Leaves, report: dict[str, float]) -> Embedding:
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
