"""Agglomerative clustering by scipy: a baseline, and the decoder of embeddings.

The sHHC paper (section 5.2) interchanges the definitions of single and complete linkage. Here, as usual,
single is the distance of the nearest pair and complete that of the furthest pair:
docs/methods/shhc.md#linkage.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod
from unlabelled.hierarchy.dasgupta import dasgupta_1x
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.linkage_by_size import link_by_size
from unlabelled.hierarchy.tree import Floats, Tree

LinkageName = Literal["single", "complete", "average", "ward"]
LINKAGES: tuple[LinkageName, ...] = ("single", "complete", "average", "ward")
Decoder = Literal["single", "average"]
DECODERS: tuple[Decoder, ...] = ("average", "single")


class Linkage(HierarchyMethod):
    """Merges the two closest clusters until one is left.

    Distances are ``1 - w``. Ward's method uses Euclidean distances between the unit features or, without
    features, ``sqrt(2 (1 - w))``. Each leaf counts once, whatever its number of samples, unless ``by_size``.

    Args:
        method: The distance of two clusters: the smallest between their leaves (``single``), the
            largest (``complete``), the mean (``average``), or the growth of the sum of squares (``ward``).
        by_size: Give each leaf the weight of its samples, as if average or Ward linkage went on from the
            clusters that the leaves are; ``single`` and ``complete`` do not depend on weights.
    """

    def __init__(self, method: LinkageName = "average", by_size: bool = False) -> None:
        if method not in LINKAGES:
            raise ValueError(f"Linkage: method is {method!r}, expected one of {', '.join(LINKAGES)}")
        self.method, self.by_size = method, by_size

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the tree of scipy; ``seed`` is unused."""
        distances = self._distances(leaves)
        if self.by_size and self.method in ("average", "ward"):
            tree = link_by_size(distances, leaves.counts, ward=self.method == "ward")
        else:
            tree = link(distances, self.method)
        return Hierarchy(tree, report={"dasgupta_1x": dasgupta_1x(tree, leaves.weights, leaves.counts)})

    def _distances(self, leaves: Leaves) -> Floats:
        if self.method != "ward":
            return leaves.dissimilarity
        if leaves.features is None:
            return np.sqrt(2 * leaves.dissimilarity)
        squares = np.maximum(2 - 2 * leaves.features @ leaves.features.T, 0)
        return np.sqrt(squares)


def link(distances: Floats, method: LinkageName) -> Tree:
    """Return the tree of ``distances (K, K)``; only the upper triangle is used."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    condensed = squareform(distances, checks=False)
    return Tree.from_linkage(linkage(condensed, method)) if len(condensed) else Tree([])


def decode(depths: Tensor, method: Decoder = "single") -> Tree:
    """Return the tree of a linkage that merges the pair with the deepest common ancestor first.

    Args:
        depths: ``(K, K)`` symmetric; the diagonal is not used.
        method: ``single`` is HypHC's decoder, computed exactly; with one radius it depends only on the
            directions. ``average`` gives trees of lower cost on all data sets of benchmarks/hierarchy.py.

    Source: HypHC (arXiv:2010.00402); HazyResearch/HypHC, utils/linkage.py;
    docs/methods/shhc.md#tree-decoding.
    """
    if depths.ndim != 2 or depths.shape[0] != depths.shape[1] or not depths.isfinite().all():
        raise ValueError(f"decode: depths are {tuple(depths.shape)}, expected (K, K), all finite")
    if method not in DECODERS:
        raise ValueError(f"decode: method is {method!r}, expected one of {', '.join(DECODERS)}")
    depths = depths.detach().to("cpu", torch.float64)
    return link((depths.max() - depths).numpy(), method)
