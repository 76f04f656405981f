"""Compare memory and time of SCE's loss and gradient by blocks of rows with the paper's Algorithm 1.

    python benchmarks/contrast_loss.py [--batch 512 --queue 65536 --dim 256 --threads 2]

"Algorithm 1" builds the (N, M + 1) arrays of logits, targets and log-probabilities. Each loss runs in a
separate process; memory is the increase of the peak by the call (Linux).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import resident, timed

from unlabelled.losses import soft_contrastive

TAU, TAU_M, LAMBDA = 0.1, 0.07, 0.5


def algorithm_1(query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
    """Return the loss as in the paper, with the positive masked in the target (Eq. 5)."""
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ queue.T], 1) / TAU
    relations = ((key @ queue.T) / TAU_M).softmax(1)
    positive = torch.full((len(query), 1), LAMBDA)
    target = torch.cat([positive, (1 - LAMBDA) * relations], 1)
    return -(target * logits.log_softmax(1)).sum(1).mean()


def blockwise(query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
    """Return the loss of this package."""
    return soft_contrastive(query, key, queue, TAU, TAU_M, LAMBDA).loss


LOSSES = {"Algorithm 1": algorithm_1, "blockwise": blockwise}


def main() -> None:
    """Print a table, or measure one loss in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("batch", 512), ("queue", 65536), ("dim", 256), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", help="measure one loss in this process")
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
    """Print the median milliseconds, the peak increase in MiB and the loss."""
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

    def loss_and_gradient() -> Tensor:
        value = loss(query, key, queue)
        torch.autograd.grad(value, query)
        return value

    runs = [timed(loss_and_gradient) for _ in range(5)]
    milliseconds = 1e3 * statistics.median(seconds for seconds, _ in runs)
    print(milliseconds, peak, f"{runs[-1][1].item():.6f}")


if __name__ == "__main__":
    main()
