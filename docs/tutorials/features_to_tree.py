# %% [markdown]
# # From features to a tree
#
# Any array of features `(n, D)`, from this package or another one, becomes a binary tree: which samples or
# clusters are similar, at each scale. No method has to be trained for it, and no Lightning is involved.
#
#     python docs/tutorials/features_to_tree.py                                # on points drawn here
#     python docs/tutorials/features_to_tree.py features.npy --labels labels.npy
#
# For all methods at once, and for arrays in other formats, there is a command: `python -m unlabelled
# hierarchy features.npy`.

# %%
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from unlabelled.clustering import kmeans
from unlabelled.hierarchy import (
    HierarchyMethod,
    Leaves,
    Linkage,
    LocalSearchTree,
    NeighbourTree,
    UFit,
    dasgupta_1x,
)
from unlabelled.metrics import contingency, dendrogram_purity, normalized_mutual_information
from unlabelled.visualization.dendrogram import dendrogram
from unlabelled.visualization.groups import Groups

parser = argparse.ArgumentParser(description="Build a tree over features.")
parser.add_argument("features", nargs="?", type=Path, help="(n, D), .npy; default: points drawn here")
parser.add_argument("--labels", type=Path, help="(n,) integers from 0, .npy; for evaluation only")
parser.add_argument("--leaves", type=int, default=60, help="most leaves; more samples are clustered first")
parser.add_argument("--clusters", type=int, default=9, help="of the cut that is drawn and scored")
parser.add_argument("--out", type=Path, default=Path("runs/features_to_tree"))
options = parser.parse_args([] if "ipykernel" in sys.modules else None)  # a notebook has no arguments


def drawn_points(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return 540 points `(n, 16)` of nine classes in three families, and their classes."""
    rng = np.random.default_rng(seed)
    families = 3 * rng.normal(size=(3, 16))
    classes = families.repeat(3, 0) + 1.5 * rng.normal(size=(9, 16))
    labels = np.arange(9).repeat(60)
    return classes[labels] + 2.5 * rng.normal(size=(540, 16)), labels


if options.features is None:
    features, labels = drawn_points()
else:
    features = np.load(options.features)
    labels = np.load(options.labels) if options.labels else np.zeros(len(features), np.int64)
rows = torch.from_numpy(features).double()
rows = torch.nn.functional.normalize(rows - rows.mean(0), dim=1)  # centred: else all cosines may be near 1

# %% [markdown]
# ## 1. Leaves
#
# The methods take O(K^2) memory in the number K of leaves. So a large array is first put into K clusters,
# and the leaves are their centroids; `counts` holds how many samples each stands for, so that the cost is
# that of the pairs of samples in different leaves. Clusters without samples are dropped.

# %%
assigned = kmeans(rows, options.leaves) if len(rows) > options.leaves else torch.arange(len(rows))
_, leaf_of, counts = assigned.unique(return_inverse=True, return_counts=True)
centroids = torch.zeros(len(counts), rows.shape[1], dtype=rows.dtype).index_add_(0, leaf_of, rows)
leaves = Leaves.from_features(centroids / counts.unsqueeze(1), counts=counts)  # w = (1 + cos) / 2
print(f"{len(rows)} samples in {len(leaves)} leaves")

# %% [markdown]
# ## 2. Trees
#
# Dasgupta's cost of a tree sums, over all pairs of samples, their similarity times the number of samples
# below their lowest common ancestor: similar samples should meet low. It compares trees without labels;
# lower is better, and each pair counts once. `LocalSearchTree` starts from the trees of the linkages, among
# others, and moves subtrees while that lowers the cost, so that it never costs more than they do.
# `NeighbourTree` does the same over the graph of nearest neighbours. By the cost of all similarities its tree
# is more expensive, but on most data it agrees better with classes: low cost is not usefulness. The command
# above compares the methods without labels, by samples that their trees were not built from.
#
# With labels, dendrogram purity is the share of a class below the node where two of its samples meet, 1 at
# best, and the NMI is that of a cut of the tree into clusters.

# %%
table = contingency(leaf_of, torch.from_numpy(labels), len(leaves), int(labels.max()) + 1)
num_clusters = min(options.clusters, len(leaves))
methods: dict[str, HierarchyMethod] = {
    "single linkage": Linkage("single"),
    "average linkage": Linkage("average"),
    "UFit": UFit(),
    "local search": LocalSearchTree(),
    "neighbours": NeighbourTree(),
}
trees = {name: method.fit(leaves, seed=0).tree for name, method in methods.items()}
costs = {name: dasgupta_1x(tree, leaves.weights, leaves.counts) for name, tree in trees.items()}
for name, tree in trees.items():
    cluster_of = torch.from_numpy(tree.cut(num_clusters))[leaf_of]
    counted = contingency(cluster_of, torch.from_numpy(labels), num_clusters, table.shape[1])
    print(
        f"{name:16} cost {costs[name]:.5e}  dendrogram purity {dendrogram_purity(tree, table):.3f}  "
        f"NMI of {num_clusters} clusters {normalized_mutual_information(counted):.3f}"
    )

# %% [markdown]
# ## 3. Dendrogram
#
# Branches have the colour of the class that they hold alone; below each leaf are the shares of the classes.
# Without labels the colours are those of the cut. `tree.newick()` is the same tree as text, for other
# programs.

# %%
best = "neighbours"
class_names = [f"class {number}" for number in range(table.shape[1])]
groups = (
    Groups(table.double().numpy(), class_names, "classes")
    if len(class_names) > 1
    else Groups.from_cut(trees[best], num_clusters, leaves.counts)
)
figure = dendrogram(
    trees[best], groups, leaves.counts, title=best, height_name="-ln of the mean weight in the graph"
)
options.out.mkdir(parents=True, exist_ok=True)
figure.savefig(options.out / "dendrogram.png", dpi=110)
(options.out / "tree.nwk").write_text(trees[best].newick(), encoding="utf-8")
print(f"written: {options.out / 'dendrogram.png'}, {options.out / 'tree.nwk'}")
