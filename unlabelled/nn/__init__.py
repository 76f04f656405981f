"""Modules that methods consist of: heads, queues, target networks, anchors, batch normalisation."""

from unlabelled.nn.anchors import AnchorBank, AnchorSpaces
from unlabelled.nn.batchnorm import ShuffleBatchNorm, SplitBatchNorm, split_batchnorm
from unlabelled.nn.heads import MLP, ClusterHeads, LinearHeads, MultiHead, PrototypeHeads
from unlabelled.nn.queue import FeatureQueue, FillingQueue
from unlabelled.nn.target import copy_online, cosine_momentum, make_target, update_target

__all__ = [
    "MLP",
    "AnchorBank",
    "AnchorSpaces",
    "ClusterHeads",
    "FeatureQueue",
    "FillingQueue",
    "LinearHeads",
    "MultiHead",
    "PrototypeHeads",
    "ShuffleBatchNorm",
    "SplitBatchNorm",
    "copy_online",
    "cosine_momentum",
    "make_target",
    "split_batchnorm",
    "update_target",
]
