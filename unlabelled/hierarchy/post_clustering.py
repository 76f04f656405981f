"""sHHC's post-clustering as published, and HypHC: an embedding and the tree decoded from it.

Source: Long and van Noord 2023 (sHHC), section 3.2; Chami et al. 2020 (arXiv:2010.00402) and
HazyResearch/HypHC, model/hyphc.py; docs/methods/shhc.md#hyphc.
"""

from __future__ import annotations

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod
from unlabelled.hierarchy.embedding import TripletEmbedding
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.starts import RandomStart
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
    """HypHC: random start in two dimensions, one set of triplets that cover pairs, and single linkage.

    The triplets cover all pairs if their number allows it, by default up to 447 leaves. Loss, start, triplets
    and decoder are those of HypHC's code (``model/hyphc.py``, ``datasets/triples.py``). Ours are: the radius
    by a sigmoid, whose gradient does not vanish; the exact decoder; the copy of the best state; and learning
    rate, optimiser, temperatures, radius and batch size, which are the defaults of :class:`TripletEmbedding`
    (its own: docs/methods/shhc.md#hyphc).

    Args:
        embedding: The embedding; None: two dimensions, at most 50 epochs of 100,000 triplets, patience 20.
    """

    def __init__(self, embedding: TripletEmbedding | None = None) -> None:
        if embedding is None:
            embedding = TripletEmbedding(
                dim=2,
                start=RandomStart(),
                triplets=PairCoveringTriplets(),
                epochs=50,
                patience=20,
                decoders=("single",),
            )
        super().__init__(embedding)
