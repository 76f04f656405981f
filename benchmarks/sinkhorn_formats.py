"""Compare labels and time of Sinkhorn-Knopp in float32, as large problems are solved, and in float64.

    OMP_NUM_THREADS=1 python benchmarks/sinkhorn_formats.py [--samples 20000 --clusters 309]

Scores are those of ordinary and of long-tailed heads (benchmarks/sinkhorn.py), shares of the clusters equal,
Gaussian as in SeLaVi, or long-tailed (the n-th cluster has a share of 1/n). "Gap" is the largest difference
of log-plan, in nats, between the labels of a row in both formats: how far from undecided such rows are.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import processor
from sinkhorn import MEMORY, long_tailed_scores, two_head_scores

from unlabelled.clustering import SinkhornResult, sinkhorn_knopp

_HEADS: dict[str, Callable[[int, int], Tensor]] = {
    "ordinary": two_head_scores,
    "long-tailed": long_tailed_scores,
}
_CASES = [
    ("long-tailed", "equal"),
    ("long-tailed", "long-tailed"),
    ("ordinary", "gaussian"),
    ("ordinary", "long-tailed"),
]


def shares(kind: str, num_clusters: int) -> Tensor:
    """Return the shares ``(K,)`` of the clusters."""
    numbers = torch.arange(1, num_clusters + 1, dtype=torch.float64)
    if kind == "gaussian":
        drawn = torch.randn(num_clusters, generator=torch.Generator().manual_seed(3)).double()
        weights = (1 + 0.1 * drawn).clamp(min=0.05)
    else:
        weights = numbers.reciprocal() if kind == "long-tailed" else torch.ones_like(numbers)
    return weights / weights.sum()


def solved(scores: Tensor, share: Tensor) -> tuple[SinkhornResult, float]:
    """Return the solution and its seconds of the processor."""
    start = time.process_time()
    result = sinkhorn_knopp(scores, marginals=share, memory=MEMORY)
    return result, time.process_time() - start


def main() -> None:
    """Solve each case in both formats, and print a line for it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--clusters", type=int, default=309)
    args = parser.parse_args()
    print(f"{processor()}, N x K = {args.samples} x {args.clusters}, {torch.get_num_threads()} threads")
    for heads, kind in _CASES:
        scores, share = _HEADS[heads](args.samples, args.clusters), shares(kind, args.clusters)
        (single, seconds), (double, reference) = solved(scores, share), solved(scores.double(), share)
        differ = single.labels != double.labels
        plan = scores[differ].double() + double.log_alpha
        gaps = plan.amax(1) - plan.gather(1, single.labels[differ, None])[:, 0]
        gap = max([0.0, *gaps.tolist()])
        print(
            f"{heads} heads, {kind} shares: {int(differ.sum())} labels differ, gap {gap:.2g}; "
            f"iterations {single.iterations} and {double.iterations}, error {single.error:.1e} and "
            f"{double.error:.1e}; {seconds:.2f} s and {reference:.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
