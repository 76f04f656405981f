"""Memory and time of SCE's loss with its gradient: by blocks of rows, against the paper's Algorithm 1.

    python benchmarks/contrast_loss.py [--batch 512 --queue 65536 --dim 256 --threads 2]

"Algorithm 1" builds the whole (N, M + 1) arrays of logits, targets and log-probabilities. Each runs in a
process of its own; memory is the peak beyond what there was before the call (Linux: /proc).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from unlabelled.losses import soft_contrastive

TAU, TAU_M, LAMBDA = 0.1, 0.07, 0.5


def algorithm_1(query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
    """Return the loss as the paper writes it, with the positive masked (Eq. 5)."""
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ queue.T], 1) / TAU
    relations = ((key @ queue.T) / TAU_M).softmax(1)
    positive = torch.full((len(query), 1), LAMBDA)
    target = torch.cat([positive, (1 - LAMBDA) * relations], 1)
    return -(target * logits.log_softmax(1)).sum(1).mean()


def blockwise(query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
    """Return ours."""
    return soft_contrastive(query, key, queue, TAU, TAU_M, LAMBDA).loss


LOSSES = {"Algorithm 1": algorithm_1, "blockwise": blockwise}


def main() -> None:
    """Print a table, or measure one loss in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("batch", 512), ("queue", 65536), ("dim", 256), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", help="measure one loss here")
    args = parser.parse_args()
    if args.only:
        measure(args)
        return
    print(f"N = {args.batch}, M = {args.queue}, D = {args.dim}, {args.threads} threads")
    for name in LOSSES:
        command = [sys.executable, __file__, *sys.argv[1:], "--only", name]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        print(
            f"  {name:<12}{float(output[0]):8.0f} ms   peak +{float(output[1]):6.0f} MiB   loss {output[2]}"
        )


def measure(args: argparse.Namespace) -> None:
    """Print milliseconds, MiB and the loss."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    query, key, queue = (
        F.normalize(torch.randn(rows, args.dim), dim=1) for rows in (args.batch, args.batch, args.queue)
    )
    query.requires_grad_()
    loss = LOSSES[args.only]
    before = resident("VmRSS")
    torch.autograd.grad(loss(query, key, queue), query)
    peak = resident("VmHWM") - before
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        value = loss(query, key, queue)
        torch.autograd.grad(value, query)
        seconds.append(time.perf_counter() - start)
    print(1e3 * statistics.median(seconds), peak, f"{value.item():.6f}")


def resident(what: str) -> float:
    """Return this process's present (VmRSS) or largest (VmHWM) resident size, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


if __name__ == "__main__":
    main()
