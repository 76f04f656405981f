"""Time our k-means against those of faiss and scikit-learn.

    python benchmarks/kmeans.py [--iterations 20 --rounds 5 --methods ours faiss sklearn minibatch]

All cluster the same float32 rows: so many updates of the centroids, then each row's label. "ours" is the
clusterer as a clustering pass calls it (checks, search, assignment, report). Full-batch methods begin with
random rows of their own and stop early only if no row moves; MiniBatchKMeans goes through the data as often.
Rounds are paired and alternate in order, since the machine may have other things to do: compare ratios, not
seconds. CPU seconds are those of all threads. The inertia (smaller is better) is computed by one function for
all.
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

from unlabelled.clustering import ClusterContext, KMeansClusterer

Method = Callable[[Tensor, int, int, int], Tensor]


def ours(rows: Tensor, clusters: int, iterations: int, seed: int) -> Tensor:
    """Return the labels of our clusterer."""
    context = ClusterContext(head=0, num_clusters=clusters, num_modalities=1, seed=seed, pass_index=0)
    return KMeansClusterer(iterations)(rows, context).labels


def raw_faiss(rows: Tensor, clusters: int, iterations: int, seed: int) -> Tensor:
    """Return the labels of faiss.Kmeans, which does not take a sample of so few rows."""
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
    """Return ``(samples, dim)`` rows of classes of unequal size that overlap, as features of a network do."""
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.rand(clusters, generator=generator) + 0.2
    label = torch.multinomial(frequency, samples, replacement=True, generator=generator)
    centres = 0.3 * torch.randn(clusters, dim, generator=generator)
    return centres[label].add_(torch.randn(samples, dim, generator=generator))


def inertia(rows: Tensor, labels: Tensor, clusters: int) -> float:
    """Return the sum of squared distances to the mean of each row's cluster."""
    sums = torch.zeros(clusters, rows.shape[1], dtype=torch.float64)
    for part, own in zip(torch.split(rows, 8192), torch.split(labels, 8192), strict=True):
        sums.index_add_(0, own, part.double())
    sizes = labels.bincount(minlength=clusters).clamp(min=1)
    within = sums.square().sum(1) / sizes  # sum |x - m|^2 = sum |x|^2 - n |m|^2
    squares = [float(part.double().square().sum()) for part in torch.split(rows, 8192)]
    return sum(squares) - float(within.sum())


def measure(method: Method, rows: Tensor, args: argparse.Namespace, seed: int) -> Run:
    """Time one call."""
    started, cpu = time.perf_counter(), time.process_time()
    labels = method(rows, args.clusters, args.iterations, seed)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return Run(seconds, cpu_seconds, inertia(rows, labels, args.clusters))


def main() -> None:
    """Parse the arguments, run the rounds, print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("samples", 50_000), ("dim", 512), ("clusters", 309), ("iterations", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--methods", nargs="+", choices=METHODS, default=list(METHODS), help="ours among them"
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # that there was no convergence
    rows = mixture(args.samples, args.dim, args.clusters)
    runs: dict[str, list[Run]] = {name: [] for name in args.methods}
    for seed in range(args.rounds):
        for name in args.methods if seed % 2 == 0 else reversed(args.methods):
            runs[name].append(measure(METHODS[name], rows, args, seed))
    report(runs, args)


def report(runs: dict[str, list[Run]], args: argparse.Namespace) -> None:
    """Print each method's medians, and how much longer than ours it took in the same round."""
    print(
        f"{args.samples} x {args.dim}, K = {args.clusters}, {args.iterations} iterations, "
        f"{torch.get_num_threads()} threads, {args.rounds} rounds"
    )
    for name, several in runs.items():
        ratios = [one.seconds / mine.seconds for one, mine in zip(several, runs["ours"], strict=True)]
        cpu = [one.cpu_seconds / mine.cpu_seconds for one, mine in zip(several, runs["ours"], strict=True)]
        print(
            f"{name:10s} {statistics.median(one.seconds for one in several):7.2f} s   "
            f"{statistics.median(ratios):5.2f} x ours ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"CPU {statistics.median(one.cpu_seconds for one in several):6.2f} s, "
            f"{statistics.median(cpu):5.2f} x ours   "
            f"inertia {statistics.mean(one.inertia for one in several):.6g}"
        )


if __name__ == "__main__":
    main()
