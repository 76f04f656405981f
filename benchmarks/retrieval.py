"""Time and memory of exact retrieval ranks: by tiles, against the usual ways.

    python benchmarks/retrieval.py [--rows 10000 --dim 512 --threads 2] [--small 1000] [--large 50000]

Query i asks for row i of the gallery. "product" is the bare matrix product of the whole gallery, the limit;
"argsort" sorts each query's row of scores and looks the right one up; "torchmetrics" is its RetrievalRecall
for k = 1, 5 and 10 on the flattened scores, at ``--small`` rows alone, since it is not feasible at more. Each
runs in a process of its own; memory is the peak beyond what there was before the call (Linux: /proc), ratios
are the medians of rounds that alternate with the product. ``--large`` adds ours at many rows.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from unlabelled.metrics import pair_ranks, retrieval_scores

Scores = dict[str, float]


def product(queries: Tensor, gallery: Tensor) -> Scores:
    """Return nothing: the scores alone."""
    _ = queries @ gallery.T
    return {}


def tiles(queries: Tensor, gallery: Tensor) -> Scores:
    """Return ours."""
    return retrieval_scores(pair_ranks(queries, gallery).averaged)


def argsort(queries: Tensor, gallery: Tensor) -> Scores:
    """Sort all scores and look where the right row came."""
    order = (queries @ gallery.T).argsort(1, descending=True)
    places = (order == torch.arange(len(order)).unsqueeze(1)).nonzero()[:, 1]
    return retrieval_scores(places)


def full_count(queries: Tensor, gallery: Tensor) -> Scores:
    """Count the larger scores in the whole matrix."""
    scores = queries @ gallery.T
    return retrieval_scores((scores > scores.diagonal().unsqueeze(1)).sum(1))


def torchmetrics(queries: Tensor, gallery: Tensor) -> Scores:
    """Let torchmetrics find R@k; it has no median rank."""
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
    parser.add_argument("--only", help="measure one method here")
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
    """Print seconds, the ratio to the bare product, MiB, and what was found."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    queries, gallery = pairs(args.rows, args.dim)
    product(queries[:512], gallery[:512])  # what the first product allocates is nobody's
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the rows
    before = resident("VmRSS")
    scores = method(queries, gallery)
    peak = resident("VmHWM") - before
    rounds = 1 if args.rows > 20_000 else args.rounds
    timed = [
        (seconds(method, queries, gallery), seconds(product, queries, gallery) if rounds > 1 else 0.0)
        for _ in range(rounds)
    ]
    line = f"{statistics.median(mine for mine, _ in timed):9.3f} s"
    if rounds > 1:
        line += f"  {statistics.median(mine / other for mine, other in timed):7.2f} x product"
    found = "  ".join(f"{name} {value:.4f}" for name, value in scores.items() if name != "recall@50")
    print(f"{line}   peak +{peak:6.0f} MiB   {found}", end="")


def pairs(rows: int, dim: int) -> tuple[Tensor, Tensor]:
    """Return queries and gallery ``(rows, dim)``, normalised; about half are found at once."""
    generator = torch.Generator().manual_seed(0)
    gallery = F.normalize(torch.randn(rows, dim, generator=generator), dim=1)
    noise = F.normalize(torch.randn(rows, dim, generator=generator), dim=1)
    return F.normalize(gallery.add(noise, alpha=5.5), dim=1), gallery


def seconds(method: Callable[[Tensor, Tensor], Scores], queries: Tensor, gallery: Tensor) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    method(queries, gallery)
    return time.perf_counter() - start


def resident(what: str) -> float:
    """Return this process's present (VmRSS) or largest (VmHWM) resident size, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


if __name__ == "__main__":
    main()
