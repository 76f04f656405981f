"""From the depths of common ancestors to a binary tree.

Source: HypHC (arXiv:2010.00402); HazyResearch/HypHC, utils/linkage.py; docs/methods/shhc.md#tree-decoding.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from unlabelled.hierarchy.linkage import link
from unlabelled.hierarchy.tree import Tree

Decoder = Literal["single", "average"]
DECODERS: tuple[Decoder, ...] = ("average", "single")


def decode(depths: Tensor, method: Decoder = "single") -> Tree:
    """Merge by linkage, the pair with the deepest common ancestor first.

    Args:
        depths: ``(K, K)`` symmetric; the diagonal is not used.
        method: ``single`` is HypHC's decoder, computed exactly; with one radius it depends on the directions
            alone. ``average`` costs less on all data sets of benchmarks/hierarchy.py.
    """
    if depths.ndim != 2 or depths.shape[0] != depths.shape[1] or not depths.isfinite().all():
        raise ValueError(f"decode: depths are {tuple(depths.shape)}, expected (K, K), all finite")
    if method not in DECODERS:
        raise ValueError(f"decode: method is {method!r}, expected one of {', '.join(DECODERS)}")
    depths = depths.detach().to("cpu", torch.float64)
    return link((depths.max() - depths).numpy(), method)
