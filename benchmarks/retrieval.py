"""Compare time and memory of exact retrieval ranks by tiles with other implementations.

    python benchmarks/retrieval.py [--rows 10000 --dim 512 --threads 2] [--small 1000] [--large 50000]

The target of query i is row i of the gallery. "product" is the matrix product with the gallery alone, the
lower bound; "argsort" sorts the scores of each query and finds the target; "torchmetrics" is its
RetrievalRecall for k = 1, 5 and 10 on the flattened scores, for ``--small`` rows only, because it is too slow
for more. Each method runs in a separate process; memory is the increase of the peak by the call (Linux);
ratios are medians of rounds that alternate with the product. ``--large`` adds our method with many rows.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import reset_peak, resident, timed

from unlabelled.metrics import pair_ranks, retrieval_scores

Scores = dict[str, float]


def product(queries: Tensor, gallery: Tensor) -> Scores:
    """Compute the scores only."""
    _ = queries @ gallery.T
    return {}


def tiles(queries: Tensor, gallery: Tensor) -> Scores:
    """Return the scores of this package."""
    return retrieval_scores(pair_ranks(queries, gallery).averaged)


def argsort(queries: Tensor, gallery: Tensor) -> Scores:
    """Sort all scores and find the positions of the targets."""
    order = (queries @ gallery.T).argsort(1, descending=True)
    positions = (order == torch.arange(len(order)).unsqueeze(1)).nonzero()[:, 1]
    return retrieval_scores(positions)


def full_count(queries: Tensor, gallery: Tensor) -> Scores:
    """Count the larger scores in the whole matrix."""
    scores = queries @ gallery.T
    return retrieval_scores((scores > scores.diagonal().unsqueeze(1)).sum(1))


def torchmetrics(queries: Tensor, gallery: Tensor) -> Scores:
    """Return R@k of torchmetrics, which has no median rank."""
    from torchmetrics.retrieval import RetrievalRecall

    size = len(queries)
    indexes = torch.arange(size).repeat_interleave(size)
    target = torch.eye(size, dtype=torch.bool).flatten()
    scores = (queries @ gallery.T).flatten()
    return {f"recall@{k}": float(RetrievalRecall(top_k=k)(scores, target, indexes)) for k in (1, 5, 10)}


METHODS = {
    "product": product,
    "tiles (ours)": tiles,
    "full count": full_count,
    "argsort": argsort,
    "torchmetrics": torchmetrics,
}


def main() -> None:
    """Print a table, or measure one method in this process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("rows", 10_000), ("dim", 512), ("threads", 2), ("small", 1000), ("large", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="measure one method in this process")
    args = parser.parse_args()
    if args.only:
        measure(METHODS[args.only], args)
        return
    for rows in (args.small, args.rows, args.large):
        if rows:
            print(f"{rows} x {rows}, D = {args.dim}, {args.threads} threads")
        for name in METHODS if rows else ():
            if (name == "torchmetrics" and rows > args.small) or (rows == args.large and "ours" not in name):
                continue
            command = [sys.executable, __file__, *sys.argv[1:], "--only", name, "--rows", str(rows)]
            print(
                f"  {name:<14}" + subprocess.run(command, capture_output=True, text=True, check=True).stdout
            )


def measure(method: Callable[[Tensor, Tensor], Scores], args: argparse.Namespace) -> None:
    """Print seconds, the ratio to the product, the peak increase in MiB and the retrieval scores."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    queries, gallery = pairs(args.rows, args.dim)
    product(queries[:512], gallery[:512])  # the first product allocates buffers
    reset_peak()
    before = resident("VmRSS")
    scores = method(queries, gallery)
    peak = resident("VmHWM") - before
    rounds = 1 if args.rows > 20_000 else args.rounds
    seconds, ratios = [], []
    for _ in range(rounds):
        seconds.append(timed(lambda: method(queries, gallery))[0])
        if rounds > 1:
            ratios.append(seconds[-1] / timed(lambda: product(queries, gallery))[0])
    line = f"{statistics.median(seconds):9.3f} s"
    if ratios:
        line += f"  {statistics.median(ratios):7.2f} x product"
    found = "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "recall@50")
    print(f"{line}   peak +{peak:6.0f} MiB   {found}", end="")


def pairs(rows: int, dim: int) -> tuple[Tensor, Tensor]:
    """Return normalised queries and gallery ``(rows, dim)``; about half of the targets have rank 0."""
    generator = torch.Generator().manual_seed(0)
    gallery = F.normalize(torch.randn(rows, dim, generator=generator), dim=1)
    noise = F.normalize(torch.randn(rows, dim, generator=generator), dim=1)
    return F.normalize(gallery.add(noise, alpha=5.5), dim=1), gallery


if __name__ == "__main__":
    main()
