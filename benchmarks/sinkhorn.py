"""Compare time and memory of Sinkhorn-Knopp with the algorithm released with SeLaVi.

    python benchmarks/sinkhorn.py [--samples 200000 --clusters 309 --rounds 5 --drift 0.1]
    python benchmarks/sinkhorn.py --long-tailed

The input is the summed log-probabilities of two heads, in the number format of each algorithm; the output is
labels. "Released" is a re-implementation of the published algorithm (float64 probabilities, two matrix-vector
products per iteration, its stopping rule). "Relaxed" is ours without extrapolation, "warm" ours as in a
training, from the column factors of the pass before, whose heads differed by --drift of their weights. All
overwrite their input. Rounds are paired and alternate in order: compare ratios, not seconds. Requires Linux
for the memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import processor, reset_peak, resident, timed

from unlabelled.clustering import SinkhornResult, sinkhorn_knopp

LAMBDA = 20.0
MEMORY = 8  # as SinkhornClusterer for large problems


def released_sinkhorn(log_scores: Tensor) -> tuple[Tensor, int]:
    """Return labels ``(N,)`` and iterations; ``log_scores (N, K)`` float64 are overwritten."""
    kernel = log_scores.exp_()
    num_samples, num_clusters = kernel.shape
    beta = torch.full((num_samples,), 1 / num_samples, dtype=kernel.dtype)
    error, iteration = float("inf"), 0
    while error > 0.1 and iteration < 2000:
        alpha = (1 / num_clusters) / torch.mv(kernel.t(), beta)
        next_beta = (1 / num_samples) / torch.mv(kernel, alpha)
        if iteration % 10 == 0:
            error = float((beta / next_beta - 1).abs().sum())
        beta = next_beta
        iteration += 1
    kernel.mul_(alpha).mul_(beta[:, None])
    return kernel.argmax(1), iteration


def two_head_scores(num_samples: int, num_clusters: int, drift: float = 0.0, seed: int = 0) -> Tensor:
    """Return ``lambda / 2 (ln p_v + ln p_a) (N, K)`` float32 of two heads on related features.

    ``drift`` is the relative change of their weights.

    Samples are from classes of unequal size. The features of each modality are the class centre plus noise,
    and a random linear head gives logits, as in the first clustering pass.
    """
    generator = torch.Generator().manual_seed(seed)
    dim, num_classes = 64, num_clusters
    frequency = torch.rand(num_classes, generator=generator) + 0.2
    label = torch.multinomial(frequency, num_samples, replacement=True, generator=generator)
    scores = torch.zeros(num_samples, num_clusters)
    for _ in range(2):
        centres = torch.randn(num_classes, dim, generator=generator)
        features = centres[label].add_(torch.randn(num_samples, dim, generator=generator))
        head = torch.randn(dim, num_clusters, generator=generator).mul_(0.7 / dim**0.5)
        change = torch.randn(head.shape, generator=torch.Generator().manual_seed(seed + 1))
        head += drift * head.std() * change
        for rows in torch.split(torch.arange(num_samples), 20_000):
            scores[rows] += (features[rows] @ head).log_softmax(1)
    return scores.mul_(LAMBDA / 2)


def long_tailed_scores(num_samples: int, num_clusters: int, seed: int = 0) -> Tensor:
    """Return scores ``(N, K)`` float32 of two confident heads; the n-th class has size ``n^-1.2``."""
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.arange(1, num_clusters + 1).pow(-1.2)
    label = torch.multinomial(frequency, num_samples, replacement=True, generator=generator)
    scores = torch.zeros(num_samples, num_clusters)
    for _ in range(2):
        for rows in torch.split(torch.arange(num_samples), 20_000):
            logits = torch.randn(len(rows), num_clusters, generator=generator).mul_(2)
            logits += 2 * frequency.log()
            logits[torch.arange(len(rows)), label[rows]] += 12
            scores[rows] += logits.log_softmax(1)
    return scores.mul_(LAMBDA / 2)


def read_bandwidth() -> float:
    """Return the memory bandwidth in GB/s, from a sum over 1 GiB with all threads, best of 5."""
    data = torch.ones(1 << 28)
    best = min(timed(data.sum)[0] for _ in range(5))
    return data.numel() * 4 / best / 1e9


@dataclass
class Run:
    """The results of one timed run."""

    seconds: float
    labels: Tensor
    iterations: int
    extra_mib: float


def _measure(prepare: Callable[[], Tensor], solve: Callable[[Tensor], tuple[Tensor, int]]) -> Run:
    scores = prepare()
    reset_peak()
    before = resident("VmRSS")
    seconds, (labels, iterations) = timed(lambda: solve(scores))
    return Run(seconds, labels, iterations, resident("VmHWM") - before)


def _ours(scores: Tensor, log_alpha: Tensor | None = None) -> tuple[Tensor, int]:
    result = sinkhorn_knopp(scores, overwrite=True, log_alpha=log_alpha, memory=MEMORY)
    return result.labels, result.iterations


def _relaxed(scores: Tensor) -> tuple[Tensor, int]:
    result = sinkhorn_knopp(scores, overwrite=True)
    return result.labels, result.iterations


def main() -> None:
    """Parse the arguments, run the rounds, print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--clusters", type=int, default=309)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long-tailed", action="store_true", help="confident heads, classes of unequal size")
    parser.add_argument("--drift", type=float, default=0.1, help="change of the heads since the pass before")
    args = parser.parse_args()
    make = long_tailed_scores if args.long_tailed else two_head_scores
    scores = make(args.samples, args.clusters)
    converged = sinkhorn_knopp(scores.double(), tolerance=1e-9, overwrite=True)
    solvers = {
        "released": (scores.double, released_sinkhorn),
        "relaxed": (scores.clone, _relaxed),
        "ours": (scores.clone, _ours),
    }
    if not args.long_tailed:
        before = sinkhorn_knopp(two_head_scores(args.samples, args.clusters, args.drift), overwrite=True)
        solvers["warm"] = (scores.clone, lambda given: _ours(given, before.log_alpha))
    runs: dict[str, list[Run]] = {name: [] for name in solvers}
    for round_ in range(args.rounds):
        for name in solvers if round_ % 2 == 0 else reversed(solvers):
            runs[name].append(_measure(*solvers[name]))
    _report(runs, converged, scores)


def _report(runs: dict[str, list[Run]], converged: SinkhornResult, scores: Tensor) -> None:
    print(processor())
    print(f"N x K = {tuple(scores.shape)}, {torch.get_num_threads()} threads, {len(runs['ours'])} rounds")
    seconds = {name: statistics.median(run.seconds for run in several) for name, several in runs.items()}
    for name, several in runs.items():
        agreement = (several[-1].labels == converged.labels).double().mean()
        print(
            f"{name:9s} {seconds[name]:7.3f} s  {several[-1].iterations:4d} iterations  "
            f"labels equal to converged ones {agreement:.4%}  "
            f"peak +{max(run.extra_mib for run in several):.0f} MiB"
        )
    for name in [each for each in runs if each != "released"]:
        pairs = zip(runs["released"], runs[name], strict=True)
        ratios = [released.seconds / run.seconds for released, run in pairs]
        median = statistics.median(ratios)
        print(f"released / {name}: median {median:.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
    passes = runs["ours"][-1].iterations + 4  # row maxima, exponentials, start and labels
    used = passes * scores.numel() * scores.element_size() / seconds["ours"] / 1e9
    available = read_bandwidth()
    print(f"ours reads {used:.1f} GB/s; a plain sum reads {available:.1f} GB/s ({used / available:.0%})")


if __name__ == "__main__":
    main()
