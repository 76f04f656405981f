"""Study which similarity makes trees of low Dasgupta cost agree with classes, and which score shows it.

    python benchmarks/tree_similarity.py [--seeds 2 --samples 300 --leaves 0] [--fashion DIR]
        [--sets ...] [--similarities ...]

Each set is divided into two random halves of at most ``--samples`` samples. The trees of one half, with its
samples as leaves (``--leaves K``: K clusters of k-means), are scored without labels: Dasgupta cost of
(1 + cos) / 2, agreement with 1, 5 and 20 nearest neighbours in the held-out half, with its distances, and
with the same method's tree of that half (stability); and with labels: dendrogram purity, NMI of the cuts into
C and 2 C clusters for C classes. Prints the means of all trees over sets and seeds, their purities and NMI
per set, and for each score without labels its rank correlation with those with labels over the trees of a
set, and what its best tree lacks to the best of all.

Trees: linkages, and local search from their trees, for these similarities of unit vectors: ``half-cosine``,
``positive-cosine``, both also ``centred`` on the mean of the samples, ``rbf`` (Gaussian, median distance),
``self-tuned`` (Gaussian, distance to the 7th neighbour), ``graph`` (1 if each of two leaves is among the 5,
10 or 20 nearest of the other, 1/2 if only one is, ``mutual``: 0), ``jaccard`` (shared neighbours), and
``ranks`` (``neighbour_graph``, 1 / rank of the neighbour). Ward's -|x - y|^2 has the same
trees of lowest cost as the cosine, and is not run.

With ``--leaves``, a leaf of many samples weighs as many in the costs, but counts once in a linkage. The rows
``equal leaves`` (of two similarities) and ``by size`` (of average and Ward linkage) have it the other way.

Sets (benchmarks/tree_sets.py): scikit-learn's digits, iris, wine and breast cancer, frames and audio of the
embedded videos, trees of Gaussian clusters; PCA: principal components. ``--fashion``: a folder with
Fashion-MNIST's t10k-*.gz, as in Debian's dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy.stats import rankdata

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from tree_sets import SETS, fashion, similarities, with_components

from unlabelled.clustering import kmeans
from unlabelled.hierarchy import Leaves, Linkage, LocalSearch, Tree, dasgupta_1x, unit_rows
from unlabelled.hierarchy.agreement import nearest_rows, neighbour_agreement
from unlabelled.hierarchy.base import with_average_heights
from unlabelled.hierarchy.linkage import LINKAGES
from unlabelled.hierarchy.tree import Floats, Indices
from unlabelled.metrics import contingency, dendrogram_purity, normalized_mutual_information

SEARCH = LocalSearch(random_starts=1, num_descents=1, annealing_sweeps=2)
EQUAL = ("half-cosine", "ranks 20")  # local search also with leaves that count once
WEIGHTED: tuple[Literal["average", "ward"], ...] = ("average", "ward")  # also with leaves that count by size
WITHOUT = ("cost", "neighbour 1", "neighbours 5", "neighbours 20", "distances", "stability")
WITH = ("purity", "NMI at C", "NMI at 2 C")


@dataclass(frozen=True, eq=False)
class Half:
    """One half of a set: unit rows, classes, and the leaves that stand for them."""

    unit: Floats
    labels: Indices
    centres: Floats
    counts: Floats
    leaf_of: Indices

    @classmethod
    def of(cls, rows: Floats, labels: Indices, num_leaves: int, seed: int) -> Half:
        """Make every sample a leaf, or ``num_leaves`` clusters of k-means if that is not 0."""
        unit = unit_rows(rows)
        leaf_of = np.arange(len(unit))
        if 0 < num_leaves < len(unit):
            leaf_of = kmeans(torch.from_numpy(unit), num_leaves, seed=seed).numpy()
        _, leaf_of, counts = np.unique(leaf_of, return_inverse=True, return_counts=True)
        sums = np.zeros((len(counts), unit.shape[1]))
        np.add.at(sums, leaf_of, unit)
        return cls(unit, labels, unit_rows(sums), counts.astype(float), leaf_of)

    def trees(self, names: list[str], seed: int) -> dict[str, Tree]:
        """Return the trees of linkages, and of local search for the named similarities; empty: all."""
        cosine = Leaves.from_features(self.centres, counts=self.counts)
        found: dict[str, Tree] = {name: Linkage(name).fit(cosine).tree for name in LINKAGES}
        starts = list(found.values())
        for linkage in WEIGHTED:
            found[f"{linkage}, by size"] = Linkage(linkage, by_size=True).fit(cosine).tree
        for name, weights in similarities(self.centres).items():
            if names and name not in names:
                continue
            leaves = {f"search, {name}": Leaves.from_similarity(weights, self.counts)}
            if name in EQUAL:
                leaves[f"search, {name}, equal leaves"] = Leaves.from_similarity(weights)
            for title, each in leaves.items():
                own = [Linkage("average").fit(each).tree]
                tree = SEARCH.improve([*starts, *own], each.weights, each.counts, seed).tree
                found[title] = with_average_heights(tree, each)
        return found

    def place(self, unit: Floats) -> Indices:
        """Return the closest leaf ``(m,)`` of each other sample."""
        closest: Indices = (unit @ self.centres.T).argmax(1)
        return closest


def first_joined(tree: Tree, leaf_of: Indices, triplets: Indices) -> Floats:
    """Return the shares ``(t, 3)`` in joining first of the pairs 01, 02, 12 of triplets ``(t, 3)``."""
    corners = leaf_of[triplets]
    joint = tree.lowest_ancestors[corners[:, [0, 0, 1]], corners[:, [1, 2, 2]]]
    sizes = tree.sizes[joint]
    first = (sizes == sizes.min(1, keepdims=True)).astype(float)
    shares: Floats = first / first.sum(1, keepdims=True)
    return shares


def scores(tree: Tree, twin: Tree, half: Half, other: Half, rng: np.random.Generator) -> dict[str, float]:
    """Return all scores of a tree of one half; ``twin`` is the same method's tree of the other half."""
    placed, rows = half.place(other.unit), np.arange(len(other.unit))
    neighbours = nearest_rows(other.unit, rows, 20)
    triplets = np.stack([rng.choice(len(rows), 3, replace=False) for _ in range(5000)])
    cosines = np.einsum("tpd,tpd->tp", other.unit[triplets[:, [0, 0, 1]]], other.unit[triplets[:, [1, 2, 2]]])
    joined = first_joined(tree, placed, triplets)
    table = contingency(
        torch.from_numpy(half.leaf_of), torch.from_numpy(half.labels), len(half.counts), half.labels.max() + 1
    )
    leaves = Leaves.from_features(half.centres, counts=half.counts)
    found = {
        "cost": dasgupta_1x(tree, leaves.weights, leaves.counts),
        "distances": float(joined[np.arange(len(joined)), cosines.argmax(1)].mean()),
        "stability": float((joined * first_joined(twin, other.leaf_of, triplets)).sum(1).mean()),
        "purity": dendrogram_purity(tree, table),
    }
    for name, count in {"neighbour 1": 1, "neighbours 5": 5, "neighbours 20": 20}.items():
        found[name] = neighbour_agreement(tree, placed, rows, neighbours[:, :count])
    num_classes = len(np.unique(half.labels))
    for name, cut in {"NMI at C": num_classes, "NMI at 2 C": 2 * num_classes}.items():
        clusters = torch.from_numpy(tree.cut(min(cut, tree.num_leaves)))[half.leaf_of]
        counted = contingency(
            clusters, torch.from_numpy(half.labels), int(clusters.max()) + 1, table.shape[1]
        )
        found[name] = normalized_mutual_information(counted)
    return found


@dataclass
class Study:
    """Scores by set, tree and name: the mean over the seeds and both halves."""

    sums: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=dict)

    def add(self, name: str, rows: Floats, labels: Indices, seed: int, args: argparse.Namespace) -> None:
        """Build and score all trees of both halves of a set."""
        rng = np.random.default_rng(seed)
        labels = np.unique(labels, return_inverse=True)[1]
        parts = np.array_split(rng.permutation(len(rows))[: 2 * args.samples], 2)
        halves = [Half.of(rows[part], labels[part], args.leaves, seed) for part in parts]
        trees = [half.trees(args.similarities, seed) for half in halves]
        for own, other in ((0, 1), (1, 0)):
            for tree in trees[own]:
                found = scores(trees[own][tree], trees[other][tree], halves[own], halves[other], rng)
                kept = self.sums.setdefault((name, tree), defaultdict(list))
                for score, value in found.items():
                    kept[score].append(value)

    @property
    def sets(self) -> list[str]:
        """Names of the sets."""
        return list(dict.fromkeys(name for name, _ in self.sums))

    @property
    def trees(self) -> list[str]:
        """Names of the trees."""
        return list(dict.fromkeys(tree for _, tree in self.sums))

    def values(self, name: str, score: str) -> Floats:
        """Return the mean score of all trees ``(trees,)`` on a set, higher is better: costs are negated."""
        sign = -1 if score == "cost" else 1
        return sign * np.array([np.mean(self.sums[name, tree][score]) for tree in self.trees])

    def mean_table(self) -> str:
        """Return the means over sets, by agreement; costs are relative to average linkage."""
        columns = {
            score: np.mean([self.values(name, score) for name in self.sets], 0) for score in (*WITHOUT, *WITH)
        }
        base = self.trees.index("average")
        costs = np.array([self.values(name, "cost") for name in self.sets])
        columns["cost"] = (100 * (costs / costs[:, base : base + 1] - 1)).mean(0)
        order = np.argsort(-columns["neighbours 5"])
        head = ["tree", *("cost, %" if score == "cost" else score for score in columns)]
        rows = [
            [self.trees[row]]
            + [
                f"{column[row]:+.2f}" if score == "cost" else f"{column[row]:.3f}"
                for score, column in columns.items()
            ]
            for row in order
        ]
        return markdown(head, rows)

    def set_table(self, score: str) -> str:
        """Return a score of all trees on all sets."""
        cells = np.array([self.values(name, score) for name in self.sets]).T
        return markdown(
            ["tree", *self.sets],
            [[tree, *(f"{cell:.3f}" for cell in row)] for tree, row in zip(self.trees, cells, strict=True)],
        )

    def criteria_table(self) -> str:
        """Return how well each score without labels ranks the trees of a set."""
        rows = []
        for score in WITHOUT:
            cells = [score]
            for truth in WITH:
                pairs = [(self.values(name, score), self.values(name, truth)) for name in self.sets]
                ranks = [np.corrcoef(rankdata(a), rankdata(b))[0, 1] for a, b in pairs]
                lacks = [b.max() - b[a.argmax()] for a, b in pairs]
                cells += [f"{np.mean(ranks):.2f} (min {min(ranks):.2f})", f"{np.mean(lacks):.3f}"]
            rows.append(cells)
        head = ["score without labels"]
        for truth in WITH:
            head += [f"rank correlation with {truth}", "its best tree lacks"]
        return markdown(head, rows)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=300, help="of each half")
    parser.add_argument("--leaves", type=int, default=0, help="clusters of a half; 0: its samples")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--similarities", nargs="*", default=[], metavar="NAME", help="default: all")
    parser.add_argument("--fashion", type=Path, help="folder of Fashion-MNIST's t10k-*.gz")
    args = parser.parse_args()
    torch.set_num_threads(1)
    loaders = {name: SETS[name] for name in args.sets}
    if args.fashion is not None:
        loaders["fashion"] = lambda: fashion(args.fashion)
        loaders["fashion, PCA"] = with_components(loaders["fashion"], 30)
    else:
        print("Fashion-MNIST is left out: no --fashion", file=sys.stderr)
    study = Study()
    for name, load in loaders.items():
        rows, labels = load()
        for seed in range(args.seeds):
            study.add(name, rows, labels, seed, args)
            print(f"{name}, seed {seed}", file=sys.stderr, flush=True)
    for title, table in {
        "means over sets": study.mean_table(),
        "dendrogram purity": study.set_table("purity"),
        "NMI at C": study.set_table("NMI at C"),
        "scores without labels": study.criteria_table(),
    }.items():
        print(f"\n{title}\n\n{table}")


if __name__ == "__main__":
    main()
