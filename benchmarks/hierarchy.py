"""Compare Dasgupta cost and time of all methods that build a hierarchy, on several sets of features.

    python benchmarks/hierarchy.py [--leaves 1000 --seeds 3 --threads 2] [--features FILE.npy ...]

Prints a Markdown table for each similarity. A cell is the cost relative to average linkage on the same
features, in percent, mean and standard deviation over seeds; lower is better. hyphc has its published
settings, hyphc-ours the defaults of our embedding. Each seed draws the features
and the random numbers of the methods. Each pair counts once in the cost ("1x"; the code of HypHC counts it
twice). Times are wall time and CPU time of all threads, median and maximum over sets and seeds. "bound" is a
lower bound of the cost of all trees, for sets of at most 500 leaves. The last lines are the triplets per
second in training.

Sets: a tree of 5 x 10 Gaussian clusters (easy: noise 1 / .6 / .35 per level; hard: 1 / .8 / 1.6), the centred
    digits
of scikit-learn, as samples and as centres of k-means, unstructured Gaussian rows, pixels and spectra of the
embedded videos, standardised iris (150 leaves), and all given files ``(n, d)``: all rows, or random ones, one
per leaf.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from unlabelled.data.synthetic.embedded.classes import LEAVES, TEMPO
from unlabelled.data.synthetic.embedded.notes import draw_score
from unlabelled.data.synthetic.embedded.scenes import ROAMING, SCENES
from unlabelled.data.synthetic.embedded.video import SceneVideo
from unlabelled.data.synthetic.embedded.waveforms import render_audio
from unlabelled.hierarchy import (
    HierarchyMethod,
    HypHC,
    Leaves,
    Linkage,
    LocalSearch,
    LocalSearchTree,
    PairCoveringTriplets,
    PostClustering,
    RandomStart,
    Similarity,
    TripletEmbedding,
    UFit,
    UniformTriplets,
    dasgupta_1x_lower_bound,
)
from unlabelled.hierarchy.dasgupta import LARGEST_BOUND
from unlabelled.hierarchy.tree import Floats

SIMILARITIES: dict[str, Similarity] = {"(1 + cos) / 2": "half_cosine", "max(cos, 0)": "positive_cosine"}
METHODS: dict[str, HierarchyMethod] = {
    "single": Linkage("single"),
    "complete": Linkage("complete"),
    "average": Linkage("average"),
    "ward": Linkage("ward"),
    "ufit": UFit(),
    "hyphc": HypHC(),
    "hyphc-ours": HypHC(
        TripletEmbedding(2, RandomStart(), PairCoveringTriplets(), 50, patience=20, decoders=("single",))
    ),
    "post-clustering": PostClustering(),
    "descent": LocalSearchTree(search=LocalSearch(random_starts=0, annealing_sweeps=0)),
    "local-search": LocalSearchTree(),
}
OURS = ("descent", "local-search")


def tree_of_clusters(leaves: int, rng: np.random.Generator, noise: tuple[float, float, float]) -> Floats:
    """Return about ``(leaves, 128)`` rows of 5 x 10 clusters."""
    each = max(1, leaves // 50)
    coarse = rng.normal(size=(5, 1, 1, 128)) * noise[0]
    fine = coarse + rng.normal(size=(5, 10, 1, 128)) * noise[1]
    return (fine + rng.normal(size=(5, 10, each, 128)) * noise[2]).reshape(-1, 128)


def digits() -> Floats:
    """Return ``(1797, 64)`` centred images."""
    from sklearn.datasets import load_digits

    rows: Floats = load_digits().data
    rows -= rows.mean(0)
    return rows


def digit_centres(leaves: int, rng: np.random.Generator) -> Floats:
    """Return ``(leaves, 64)`` centres of k-means."""
    from sklearn.cluster import KMeans

    rows = digits()
    model = KMeans(min(leaves, len(rows)), n_init=1, random_state=int(rng.integers(2**31)))
    centres: Floats = model.fit(rows).cluster_centers_
    return centres


def iris() -> Floats:
    """Return ``(150, 4)`` standardised measurements."""
    from sklearn.datasets import load_iris

    return standardised(load_iris().data)


def embedded(leaves: int, rng: np.random.Generator) -> Floats:
    """Return ``(leaves, 2813)``: a frame and the spectrum of each clip, of all classes in turn."""
    pixels, spectra = zip(*(_clip(index % len(LEAVES), rng) for index in range(leaves)), strict=True)
    parts = [standardised(part) / np.sqrt(np.shape(part)[1]) for part in (pixels, spectra)]
    return np.concatenate(parts, 1)  # image and audio have the same weight


def _clip(leaf: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return pixels ``(2688,)`` and the logarithm of the power in 125 bands up to 8 kHz."""
    kind, seconds, rate = LEAVES[leaf], 2.0, 16000
    score = draw_score(rng, seconds, TEMPO[kind.family])
    video = SceneVideo(rng, SCENES[kind.scene](rng, score), score, seconds, (32, 28), kind.scene in ROAMING)
    waveform = render_audio(rng, kind.audio, score, seconds, rate, 1)[0]
    power = np.square(np.abs(np.fft.rfft(waveform)))[1:].reshape(125, -1).sum(1)
    return video.frame(seconds / 2).ravel().astype(np.float64), np.log(power + 1e-6)


def standardised(rows: ArrayLike) -> Floats:
    """Return ``(n, d)`` rows with mean 0 and standard deviation 1, or 0 for constant dimensions."""
    centred = np.asarray(rows, dtype=np.float64)
    centred = centred - centred.mean(0)
    spread = centred.std(0)
    scaled: Floats = centred / np.where(spread > 0, spread, 1)
    return scaled


def some_rows(rows: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Return ``count`` random rows in order, or all rows if there are not more."""
    return rows if len(rows) <= count else rows[np.sort(rng.choice(len(rows), count, replace=False))]


SETS: dict[str, Callable[[int, np.random.Generator], Floats]] = {
    "easy": lambda leaves, rng: tree_of_clusters(leaves, rng, (1, 0.6, 0.35)),
    "hard": lambda leaves, rng: tree_of_clusters(leaves, rng, (1, 0.8, 1.6)),
    "digits": lambda leaves, rng: some_rows(digits(), leaves, rng),
    "digit-centres": digit_centres,
    "unstructured": lambda leaves, rng: rng.normal(size=(leaves, 128)),
    "embedded": embedded,
    "iris": lambda leaves, rng: some_rows(iris(), leaves, rng),
}


def from_file(path: str) -> Callable[[int, np.random.Generator], Floats]:
    """Return a function that draws rows of a file."""
    rows = np.load(path).astype(np.float64)
    return lambda leaves, rng: some_rows(rows, leaves, rng)


class Results:
    """The results of all runs with one similarity.

    Args:
        args: The arguments of the command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.ratios: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self.wall: defaultdict[str, list[float]] = defaultdict(list)
        self.cpu: defaultdict[str, list[float]] = defaultdict(list)

    def run(self, name: str, leaves: Leaves, seed: int) -> None:
        """Run all methods on the leaves of a set, drawn with a seed."""
        base = METHODS["average"].fit(leaves).report["dasgupta_1x"]
        if len(leaves) <= LARGEST_BOUND:
            self.ratios["bound", name].append(dasgupta_1x_lower_bound(leaves.similarity) / base)
        for method in self.args.methods:
            wall, cpu = time.perf_counter(), time.process_time()
            cost = METHODS[method].fit(leaves, seed).report["dasgupta_1x"]
            self.wall[method].append(time.perf_counter() - wall)
            self.cpu[method].append(time.process_time() - cpu)
            self.ratios[method, name].append(cost / base)
            print(f"{name} seed {seed} {method}: {cost / base:.5f}", file=sys.stderr, flush=True)

    def table(self, title: str, names: list[str]) -> None:
        """Print the table, one row per method."""
        args = self.args
        print(f"\nw = {title}, K = {args.leaves}, {args.seeds} seeds, {args.threads} threads\n")
        print("| method | " + " | ".join(names) + " | wall s, median / longest | CPU s |")
        print("|---" * (len(names) + 3) + "|")
        for method in [*args.methods, "bound"]:
            cells = [percent(self.ratios[method, name]) for name in names]
            times = [median_and_maximum(self.wall[method]), median_and_maximum(self.cpu[method])]
            print(f"| {method} | " + " | ".join(cells + times) + " |")

    def verdict(self, names: list[str]) -> None:
        """Print the cost of local search relative to the best other method, run by run."""
        others = [method for method in self.args.methods if method not in OURS]
        if not others or "local-search" not in self.args.methods:
            return
        print("\nlocal-search against the best other method of each run, in percent, best to worst run:")
        for name in names:
            best = [min(runs) for runs in zip(*(self.ratios[other, name] for other in others), strict=True)]
            costs = self.ratios["local-search", name]
            gaps = [100 * (cost / other - 1) for cost, other in zip(costs, best, strict=True)]
            print(f"- {name}: {min(gaps):+.4f} to {max(gaps):+.4f}")


def percent(ratios: list[float]) -> str:
    """Return mean and standard deviation in percent above average linkage, as text."""
    if not ratios:
        return ""
    above = [100 * (ratio - 1) for ratio in ratios]
    spread = statistics.stdev(above) if len(above) > 1 else 0.0
    return f"{statistics.mean(above):+.3f} ± {spread:.3f}"


def median_and_maximum(seconds: list[float]) -> str:
    """Return the median and the maximum as text."""
    return f"{statistics.median(seconds):.2f} / {max(seconds):.2f}" if seconds else ""


def triplets_per_second(batch_size: int) -> float:
    """Return the triplets per second of CPU time in training on iris, in two dimensions and one thread."""
    torch.set_num_threads(1)
    leaves, count = Leaves.from_features(iris()), 100_000

    def seconds(epochs: int) -> float:
        embedding = TripletEmbedding(2, None, UniformTriplets(count), epochs, batch_size=batch_size)
        start = time.process_time()
        embedding.fit(leaves)
        return time.process_time() - start

    without, one_epoch = (min(seconds(epochs) for _ in range(4)) for epochs in (0, 1))
    return count / (one_epoch - without)


def main() -> None:
    """Print a table for each similarity, and the triplets per second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leaves", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--features", nargs="*", default=[], help="files (n, d), .npy")
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sets = {name: SETS[name] for name in args.sets} | {
        Path(path).stem: from_file(path) for path in args.features
    }
    results = {title: Results(args) for title in SIMILARITIES}
    for name, draw in sets.items():
        for seed in range(args.seeds):
            rows = draw(args.leaves, np.random.default_rng(seed))
            for title, similarity in SIMILARITIES.items():
                results[title].run(name, Leaves.from_features(rows, similarity), seed)
    for title, result in results.items():
        result.table(title, list(sets))
        result.verdict(list(sets))
    for batch_size in (512, 4096):
        print(
            f"\n{triplets_per_second(batch_size):,.0f} triplets per second on iris, batch size {batch_size}"
        )


if __name__ == "__main__":
    main()
