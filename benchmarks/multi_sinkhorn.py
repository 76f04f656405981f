"""Compare time and memory of Multi-Assignment Sinkhorn-Knopp with the direct K x N x K tensor.

    python benchmarks/multi_sinkhorn.py [--samples 7660 --anchors 64 --iterations 20 --threads 1 --rounds 5]

"Direct" has each step as a division by a sum, as in the pseudo-code of the paper; "direct, in place"
overwrites one tensor. "12 matrices" is a training step of SSPC. Each solver runs in a separate process;
memory is the increase of the peak by a call (Linux). Rounds alternate: compare ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import reset_peak, resident, timed

from unlabelled.clustering import damped_multi_sinkhorn, graded_multi_sinkhorn

EPSILON, MU, ETA = 0.07, 0.25, 0.1


def damped_weights(num_anchors: int) -> Tensor:
    """Return ``(K, 1, 1)``: 1 for the first half of the slices, mu for the others."""
    chosen = torch.arange(num_anchors) < num_anchors // 2
    return torch.where(chosen, 1.0, MU)[:, None, None]


def graded_weights(num_anchors: int) -> Tensor:
    """Return ``(K, 1, 1)``, descending from 1."""
    return (ETA + (1 - ETA) * (1 - torch.arange(num_anchors) / num_anchors))[:, None, None]


def direct(scores: Tensor, iterations: int, weights: Callable[[int], Tensor]) -> Tensor:
    """Return the code as in the pseudo-code."""
    num_samples, num_anchors = scores.shape
    q = torch.exp(weights(num_anchors) * scores / EPSILON)
    q = q / q.sum()
    for _ in range(iterations):
        q = q / q.sum(2, keepdim=True)
        q = q / q.sum(1, keepdim=True) * (num_samples / num_anchors)
        q = q / q.sum(0, keepdim=True)
    q = q / q.sum(2, keepdim=True)
    return q[: num_anchors // 2].sum(0)


def direct_in_place(scores: Tensor, iterations: int, weights: Callable[[int], Tensor]) -> Tensor:
    """Return the code from one tensor that every step overwrites."""
    num_samples, num_anchors = scores.shape
    q = (weights(num_anchors) * scores).div_(EPSILON).exp_()
    q /= q.sum()
    for _ in range(iterations):
        q /= q.sum(2, keepdim=True)
        q *= (num_samples / num_anchors) / q.sum(1, keepdim=True)
        q /= q.sum(0, keepdim=True)
    q /= q.sum(2, keepdim=True)
    return q[: num_anchors // 2].sum(0)


def ours(scores: Tensor, iterations: int, matrices: int = 1, graded: bool = False) -> Tensor:
    """Return the code of this package; for several equal matrices, that of the first."""
    function = graded_multi_sinkhorn if graded else damped_multi_sinkhorn
    stacked = scores.expand(matrices, *scores.shape)
    return function(stacked, scores.shape[1] // 2, epsilon=EPSILON, num_iterations=iterations)[0]


SOLVERS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "approach 1: direct": partial(direct, weights=damped_weights),
    "approach 1: direct, in place": partial(direct_in_place, weights=damped_weights),
    "approach 1: ours": ours,
    "approach 1: ours, 12 matrices": partial(ours, matrices=12),
    "approach 2: direct": partial(direct, weights=graded_weights),
    "approach 2: direct, in place": partial(direct_in_place, weights=graded_weights),
    "approach 2: ours": partial(ours, graded=True),
}


def main() -> None:
    """Print a table, or measure one solver in this process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    sizes = (("samples", 7660), ("anchors", 64), ("iterations", 20), ("threads", 1), ("rounds", 5))
    for name, default in sizes:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", help="measure one solver in this process")
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measure(args)))
        return
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in SOLVERS}
    for round_ in range(args.rounds):
        for name in list(SOLVERS) if round_ % 2 == 0 else reversed(SOLVERS):
            command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            runs[name].append(json.loads(output))
    report(args, runs)


def report(args: argparse.Namespace, runs: dict[str, list[dict[str, float]]]) -> None:
    """Print medians, and the ratios of time and memory of the direct form to them, for the same matrices.

    The direct form solves twelve matrices one after the other, in the memory of one.
    """
    sizes = f"N = {args.samples}, K = {args.anchors}, {args.iterations} iterations"
    print(f"{sizes}, {args.threads} threads, median of {args.rounds} rounds")
    for name, several in runs.items():
        pairs = list(zip(runs[name.split(":")[0] + ": direct"], several, strict=True))
        matrices = 12 if "12" in name else 1
        slower = statistics.median(matrices * direct["seconds"] / run["seconds"] for direct, run in pairs)
        larger = statistics.median(direct["mib"] / run["mib"] for direct, run in pairs)
        seconds, mib, error = (
            statistics.median(run[key] for run in several) for key in ("seconds", "mib", "error")
        )
        print(
            f"  {name:<30}{1e3 * seconds:9.1f} ms ({slower:6.1f}x)   peak +{mib:7.1f} MiB ({larger:5.1f}x)   "
            f"error {error:.0e}"
        )


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Return median seconds, peak increase in MiB, and largest difference from ours in float64."""
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    rows, anchors = (
        F.normalize(torch.randn(n, 128, generator=generator), dim=1) for n in (args.samples, args.anchors)
    )
    scores = rows @ anchors.T
    solve = SOLVERS[args.only]
    solve(scores[: args.anchors], 1)  # initialise libraries
    reset_peak()
    before = resident("VmRSS")
    codes = solve(scores, args.iterations)
    peak = resident("VmHWM") - before
    rounds = 1 if "direct" in args.only else 5
    seconds = [timed(lambda: solve(scores, args.iterations))[0] for _ in range(rounds)]
    exact = ours(scores.double(), args.iterations, graded=args.only.startswith("approach 2"))
    error = float((codes - exact).abs().max())
    return {"seconds": statistics.median(seconds), "mib": peak, "error": error}


if __name__ == "__main__":
    main()
