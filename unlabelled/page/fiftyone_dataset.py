"""Export of the samples of a page to FiftyOne, a program to look at data sets, which is not required.

A dataset of it is made by a loop over the samples, as its documentation recommends for own formats. The files
are not copied.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.encoders.library import import_library
from unlabelled.hierarchy.tree import Floats, Indices
from unlabelled.page.cluster_tree import FineTree
from unlabelled.page.samples import Samples


def check_fiftyone(name: str) -> None:
    """Check that the package is installed and has no dataset of this name.

    Raises:
        ValueError: It is not, or has one.
    """
    fiftyone = import_library("fiftyone", "--fiftyone")
    if fiftyone.dataset_exists(name):
        raise ValueError(f"--fiftyone {name}: there is such a dataset; give another name, or delete it")


def export_to_fiftyone(
    name: str, samples: Samples, joint: NDArray[np.float32], fine: FineTree, near: Indices, plane: Floats
) -> int:
    """Make a persistent dataset of FiftyOne; return the number of its samples.

    Fields: the labels ``cluster``, of the method, with its confidence, and ``leaf``, both numbered as on the
    page, and ``ground_truth`` where there are classes; ``start`` and ``end`` in seconds; ``nearest``;
    ``features``; ``map``, the place on the page's map. The split is a tag.

    Args:
        name: Name of the dataset.
        samples: The n samples.
        joint: ``(n, D)`` features.
        fine: Their leaves and tree.
        near: ``(n, k)`` nearest samples.
        plane: ``(n, 2)`` places on the map.
    """
    fiftyone = import_library("fiftyone", "--fiftyone")
    clusters = (1 + fine.tree.cut(fine.num_clusters)[fine.leaf_of]).tolist()
    leaves = (1 + fine.tree.cut(fine.tree.num_leaves)[fine.leaf_of]).tolist()
    made = []
    for row, path in enumerate(samples.paths):
        fields: dict[str, Any] = {
            "cluster": fiftyone.Classification(
                label=f"Cluster {clusters[row]}", confidence=float(samples.confidences[row])
            ),
            "leaf": fiftyone.Classification(label=f"Leaf {leaves[row]}"),
            "start": float(samples.starts[row]),
            "features": joint[row].astype(np.float64),
            "map": plane[row].tolist(),
            "nearest": samples.paths[near[row, 0]] if near.shape[1] else None,
        }
        if samples.labels[row]:
            fields["ground_truth"] = fiftyone.Classification(label=samples.labels[row])
        if not np.isnan(samples.ends[row]):
            fields["end"] = float(samples.ends[row])
        tags = [samples.splits[row]] if samples.splits[row] else []
        made.append(fiftyone.Sample(filepath=os.path.abspath(path), tags=tags, **fields))
    dataset = fiftyone.Dataset(name)
    dataset.add_samples(made)
    dataset.persistent = True
    return len(made)
