"""sHHC's own way to a hierarchy, as published, and HypHC's: an embedding, and the tree that is read off it.

Source: Long & van Noord 2023, section 3.2; Chami et al. 2020 (arXiv:2010.00402); reference shhc.md section 6.
"""

from __future__ import annotations

from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod
from unlabelled.hierarchy.embedding import TripletEmbedding
from unlabelled.hierarchy.leaves import Leaves
from unlabelled.hierarchy.starts import RandomStart
from unlabelled.hierarchy.triplets import PairCoveringTriplets


class PostClustering(HierarchyMethod):
    """sHHC's step after pre-clustering: exponential start, triplet loss (equation 10), decoded tree.

    On all data that we know it about ties with average linkage.

    Args:
        embedding: None: with its defaults.
    """

    def __init__(self, embedding: TripletEmbedding | None = None) -> None:
        self.embedding = TripletEmbedding() if embedding is None else embedding

    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        """Return the decoded tree, with the leaves' points."""
        found = self.embedding.fit(leaves, seed)
        report = found.report | {"decoded_by_average": float(found.decoder == "average")}
        return Hierarchy(found.tree, found.points, report, self.embedding.manifold)


class HypHC(PostClustering):
    """Random start in two dimensions, one set of triplets of pairs, and single linkage of the result.

    The triplets cover all pairs where the budget allows it, which is up to 447 leaves by default.
    HypHC's procedure and its own choice of triplets, without its quirks: the radius is learned by a sigmoid,
    so that its gradient does not vanish; decoding is exact; and the state that is kept is a copy.

    Args:
        embedding: None: at most 50 epochs of 100,000 triplets, and a patience of 20, in two dimensions.
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
