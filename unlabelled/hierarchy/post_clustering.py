"""sHHC's post-clustering as published, and HypHC: an embedding and the tree decoded from it.

Source: Long and van Noord 2023 (sHHC), section 3.2; Chami et al. 2020 (arXiv:2010.00402) and
HazyResearch/HypHC, model/hyphc.py; docs/methods/shhc.md#hyphc.
"""

from __future__ import annotations

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod
from unlabelled.hierarchy.embedding import TripletEmbedding
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.manifolds import PoincareBall
from unlabelled.hierarchy.starts import UniformStart
from unlabelled.hierarchy.triplets import PairCoveringTriplets


class PostClustering(HierarchyMethod):
    """sHHC's post-clustering: exponential start (equation 12), triplet loss (10), decoded tree.

    Its trees cost about as much as average linkage on clustered data, and less on other data
    (benchmarks/hierarchy.py).

    Args:
        embedding: The embedding; None: :class:`TripletEmbedding` with its defaults.
    """

    def __init__(self, embedding: TripletEmbedding | None = None) -> None:
        self.embedding = TripletEmbedding() if embedding is None else embedding

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the decoded tree with the points of the leaves."""
        found = self.embedding.fit(leaves, seed)
        report = found.report | {"decoded_by_average": float(found.decoder == "average")}
        return Hierarchy(found.tree, found.points, report, self.embedding.manifold)


class HypHC(PostClustering):
    """HypHC with its published settings, those of its example for iris.

    Random start in two dimensions near the origin, one set of triplets that cover all pairs of up to 316
    leaves, Riemannian Adam, and single linkage. Ours are: the exact decoder, the copy of the best state, and
    a radius that is kept between its limits (docs/methods/shhc.md#hyphc).

    Args:
        embedding: The embedding; None: :func:`published_hyphc`.
    """

    def __init__(self, embedding: TripletEmbedding | None = None) -> None:
        super().__init__(published_hyphc() if embedding is None else embedding)


def published_hyphc(dim: int = 2) -> TripletEmbedding:
    """Return HypHC's embedding of leaves in ``dim`` dimensions.

    Source: HazyResearch/HypHC, examples/run_iris.sh, config.py, model/hyphc.py, datasets/triples.py.
    """
    manifold = PoincareBall()
    smallest, largest = manifold.radius_limits()
    return TripletEmbedding(
        dim=dim,
        start=UniformStart(0.05),
        triplets=PairCoveringTriplets(50_000),
        epochs=50,
        patience=20,
        batch_size=512,
        lr=5e-4,
        temperature=0.05,
        radius=(0.05 - smallest) / (largest - smallest),
        decoders=("single",),
        manifold=manifold,
        halve_every=30,
        riemannian=True,
    )
