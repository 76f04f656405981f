"""Hierarchies: the Poincaré ball, trees and their Dasgupta cost, and methods that build trees."""

from unlabelled.hierarchy.agreement import nearest_rows, neighbour_agreement
from unlabelled.hierarchy.base import Hierarchy, HierarchyMethod, with_average_heights
from unlabelled.hierarchy.dasgupta import dasgupta_1x, dasgupta_1x_half_cosine, dasgupta_1x_lower_bound
from unlabelled.hierarchy.embedding import Embedding, TripletEmbedding
from unlabelled.hierarchy.lca import (
    cosine_depth,
    equal_radius_depth,
    gromov_product,
    lca_point,
    line_depth,
    line_foot,
    segment_depth,
)
from unlabelled.hierarchy.leaves import Leaves, Similarity, unit_rows
from unlabelled.hierarchy.linkage import Linkage, decode
from unlabelled.hierarchy.local_moves import LocalSearch, SearchResult
from unlabelled.hierarchy.local_search_tree import LocalSearchTree
from unlabelled.hierarchy.manifolds import EuclideanSpace, Manifold, PoincareBall
from unlabelled.hierarchy.neighbour_tree import NeighbourTree, neighbour_graph
from unlabelled.hierarchy.poincare import (
    conformal_factor,
    distance,
    distance_to_origin,
    einstein_midpoint,
    exp0,
    exp_at,
    log0,
    log_at,
    mobius_add,
    pairwise_distance,
    project,
)
from unlabelled.hierarchy.post_clustering import HypHC, PostClustering, published_hyphc
from unlabelled.hierarchy.prototypes import merged_prototypes, node_points
from unlabelled.hierarchy.prune_regraft import MutableTree, all_gains
from unlabelled.hierarchy.riemannian_adam import RiemannianAdam
from unlabelled.hierarchy.starts import ExponentialStart, RandomStart, Start, UniformStart
from unlabelled.hierarchy.tree import Tree
from unlabelled.hierarchy.triplets import (
    PairCoveringTriplets,
    TripletSampler,
    UniformTriplets,
    pair_covering_triplets,
    triplet_loss,
    uniform_triplets,
)
from unlabelled.hierarchy.ufit import UFit

__all__ = [
    "Embedding",
    "EuclideanSpace",
    "ExponentialStart",
    "Hierarchy",
    "HierarchyMethod",
    "HypHC",
    "Leaves",
    "Linkage",
    "LocalSearch",
    "LocalSearchTree",
    "Manifold",
    "MutableTree",
    "NeighbourTree",
    "PairCoveringTriplets",
    "PoincareBall",
    "PostClustering",
    "RandomStart",
    "RiemannianAdam",
    "SearchResult",
    "Similarity",
    "Start",
    "Tree",
    "TripletEmbedding",
    "TripletSampler",
    "UFit",
    "UniformStart",
    "UniformTriplets",
    "all_gains",
    "conformal_factor",
    "cosine_depth",
    "dasgupta_1x",
    "dasgupta_1x_half_cosine",
    "dasgupta_1x_lower_bound",
    "decode",
    "distance",
    "distance_to_origin",
    "einstein_midpoint",
    "equal_radius_depth",
    "exp0",
    "exp_at",
    "gromov_product",
    "lca_point",
    "line_depth",
    "line_foot",
    "log0",
    "log_at",
    "merged_prototypes",
    "mobius_add",
    "nearest_rows",
    "neighbour_agreement",
    "neighbour_graph",
    "node_points",
    "pair_covering_triplets",
    "pairwise_distance",
    "project",
    "published_hyphc",
    "segment_depth",
    "triplet_loss",
    "uniform_triplets",
    "unit_rows",
    "with_average_heights",
]
