"""The user's own files on a page: the cluster and the samples that are most similar to each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.hierarchy.tree import Floats, Indices
from unlabelled.page.cluster_tree import FineTree
from unlabelled.page.preview import make_preview

_NEAREST = 8


@dataclass(frozen=True, eq=False)
class Queries:
    """Files, or parts of files, to find on a page.

    Args:
        paths: The q files.
        starts: ``(q,)`` beginning in the file in seconds.
        ends: ``(q,)`` end in seconds; NaN: that of the file.
        joint: ``(q, D)`` unit vectors, the joint features as of the samples.
    """

    paths: list[str]
    starts: Floats
    ends: Floats
    joint: NDArray[np.float32]


def found_queries(
    queries: Queries, joint: NDArray[np.float32], fine: FineTree, previews: Path
) -> list[dict[str, Any]]:
    """Return the data of each query: its leaf, nearest samples and preview.

    The leaf is the one whose mean feature is the most similar. ``typical`` is the share of the samples of
    its cluster of the method that are less similar to the mean of the cluster than the query is: near 0 for
    a file that is unlike all of them.

    Args:
        queries: The files.
        joint: ``(n, D)`` unit vectors of the samples.
        fine: Their leaves.
        previews: Folder of the previews.
    """
    leaf_means = _means(joint, fine.leaf_of, fine.tree.num_leaves)
    clusters = np.unique(fine.cluster_of_leaf, return_inverse=True)[1]
    cluster_of = clusters[fine.leaf_of]
    cluster_means = _means(joint, cluster_of, fine.num_clusters)
    own = np.einsum("nd,nd->n", joint, cluster_means[cluster_of])
    found = []
    for row, path in enumerate(queries.paths):
        feature = queries.joint[row]
        cosines = joint @ feature
        near = np.argsort(-cosines, kind="stable")[:_NEAREST]
        leaf = int((leaf_means @ feature).argmax())
        similarity = float(cluster_means[clusters[leaf]] @ feature)
        typical = float((own[cluster_of == clusters[leaf]] < similarity).mean())
        start, end = float(queries.starts[row]), float(queries.ends[row])
        preview = make_preview(path, start, end, previews)
        found.append(
            {
                "name": path,
                "start": round(start, 3),
                "end": None if np.isnan(end) else round(end, 3),
                "leaf": leaf,
                "typical": round(typical, 3),
                "near": near.tolist(),
                "cosines": np.round(cosines[near], 3).tolist(),
                "kind": preview.kind,
                "thumbnail": preview.thumbnail,
                "media": preview.media,
            }
        )
    return found


def _means(joint: NDArray[np.float32], groups: Indices, count: int) -> Floats:
    """Return the unit mean ``(count, D)`` of each group."""
    sums = np.zeros((count, joint.shape[1]))
    np.add.at(sums, groups, joint)
    means: Floats = sums / np.linalg.norm(sums, axis=1, keepdims=True).clip(1e-12)
    return means
