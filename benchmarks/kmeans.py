"""Compare the time of k-means with that of faiss and scikit-learn.

    python benchmarks/kmeans.py [--iterations 20 --rounds 5 --methods ours faiss sklearn minibatch]

All methods cluster the same float32 rows: the given number of centroid updates, then the label of each row.
"ours" is the clusterer as called by a clustering pass (checks, fit, assignment, report). Full-batch methods
start from different random rows and stop early only if no row changes its cluster; MiniBatchKMeans reads the
data as often. Rounds are paired and alternate in order, because other processes may run: compare ratios, not
seconds. CPU seconds are those of all threads. One function computes the inertia of all (lower is better).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import torch
from sklearn.cluster import KMeans, MiniBatchKMeans
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import processor, timed

from unlabelled.clustering import ClusterContext, KMeansClusterer

Method = Callable[[Tensor, int, int, int], Tensor]


def ours(rows: Tensor, clusters: int, iterations: int, seed: int) -> Tensor:
    """Return the labels of the clusterer of this package."""
    context = ClusterContext(head=0, num_clusters=clusters, num_modalities=1, seed=seed, pass_index=0)
    return KMeansClusterer(iterations)(rows, context).labels


def raw_faiss(rows: Tensor, clusters: int, iterations: int, seed: int) -> Tensor:
    """Return the labels of faiss.Kmeans, fitted on all rows."""
    points = rows.numpy()
    solver = faiss.Kmeans(
        rows.shape[1], clusters, niter=iterations, seed=seed, max_points_per_centroid=len(rows)
    )
    solver.train(points)
    return torch.from_numpy(solver.index.search(points, 1)[1][:, 0])


def sklearn_lloyd(rows: Tensor, clusters: int, iterations: int, seed: int) -> Tensor:
    """Return the labels of scikit-learn's Lloyd."""
    solver = KMeans(clusters, init="random", n_init=1, max_iter=iterations, tol=0, random_state=seed)
    return torch.from_numpy(solver.fit(rows.numpy()).labels_).long()


def sklearn_minibatch(rows: Tensor, clusters: int, iterations: int, seed: int) -> Tensor:
    """Return the labels of scikit-learn's k-means on small batches."""
    solver = MiniBatchKMeans(
        clusters,
        init="random",
        n_init=1,
        max_iter=iterations,
        max_no_improvement=None,
        random_state=seed,
    )
    return torch.from_numpy(solver.fit(rows.numpy()).labels_).long()


METHODS: dict[str, Method] = {
    "ours": ours,
    "faiss": raw_faiss,
    "sklearn": sklearn_lloyd,
    "minibatch": sklearn_minibatch,
}


@dataclass
class Run:
    """One timed clustering."""

    seconds: float
    cpu_seconds: float
    inertia: float


def mixture(samples: int, dim: int, clusters: int, seed: int = 0) -> Tensor:
    """Return ``(samples, dim)`` rows of overlapping classes of unequal size, like features of a network."""
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.rand(clusters, generator=generator) + 0.2
    label = torch.multinomial(frequency, samples, replacement=True, generator=generator)
    centres = 0.3 * torch.randn(clusters, dim, generator=generator)
    return centres[label].add_(torch.randn(samples, dim, generator=generator))


def inertia(rows: Tensor, labels: Tensor, clusters: int) -> float:
    """Return the sum of squared distances to the mean of each row's cluster."""
    sums = torch.zeros(clusters, rows.shape[1], dtype=torch.float64)
    for part, part_labels in zip(torch.split(rows, 8192), torch.split(labels, 8192), strict=True):
        sums.index_add_(0, part_labels, part.double())
    sizes = labels.bincount(minlength=clusters).clamp(min=1)
    within = sums.square().sum(1) / sizes  # sum |x - m|^2 = sum |x|^2 - n |m|^2
    squares = [float(part.double().square().sum()) for part in torch.split(rows, 8192)]
    return sum(squares) - float(within.sum())


def measure(method: Method, rows: Tensor, args: argparse.Namespace, seed: int) -> Run:
    """Time one clustering."""
    cpu = time.process_time()
    seconds, labels = timed(lambda: method(rows, args.clusters, args.iterations, seed))
    cpu_seconds = time.process_time() - cpu
    return Run(seconds, cpu_seconds, inertia(rows, labels, args.clusters))


def main() -> None:
    """Parse the arguments, run the rounds, print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("samples", 50_000), ("dim", 512), ("clusters", 309), ("iterations", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), help="methods to time, with ours"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # about missing convergence
    rows = mixture(args.samples, args.dim, args.clusters)
    runs: dict[str, list[Run]] = {name: [] for name in args.methods}
    for seed in range(args.rounds):
        for name in args.methods if seed % 2 == 0 else reversed(args.methods):
            runs[name].append(measure(METHODS[name], rows, args, seed))
    report(runs, args)


def report(runs: dict[str, list[Run]], args: argparse.Namespace) -> None:
    """Print the medians of each method, and the ratios to ours in the same rounds."""
    print(processor())
    print(
        f"{args.samples} x {args.dim}, K = {args.clusters}, {args.iterations} iterations, "
        f"{torch.get_num_threads()} threads, {args.rounds} rounds"
    )
    for name, several in runs.items():
        pairs = list(zip(several, runs["ours"], strict=True))
        ratios = [run.seconds / our_run.seconds for run, our_run in pairs]
        cpu = [run.cpu_seconds / our_run.cpu_seconds for run, our_run in pairs]
        print(
            f"{name:10s} {statistics.median(run.seconds for run in several):7.2f} s   "
            f"{statistics.median(ratios):5.2f} x ours ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"CPU {statistics.median(run.cpu_seconds for run in several):6.2f} s, "
            f"{statistics.median(cpu):5.2f} x ours ({min(cpu):.2f} to {max(cpu):.2f})   "
            f"inertia {statistics.mean(run.inertia for run in several):.6g}"
        )


if __name__ == "__main__":
    main()
