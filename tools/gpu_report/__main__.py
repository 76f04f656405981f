"""Run tests/gpu, measure recipes and clustering on one GPU, and write docs/gpu.md.

python -m tools.gpu_report [--device cpu --small] [--write docs/gpu.md] [--minutes 8] [--no-tests]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch

from tools.gpu_report.kernels import ITERATIONS, kmeans_seconds, peak_flops, sinkhorn_seconds
from tools.gpu_report.recipes import RECIPES, ROOT, SHARES, Speed, measure
from tools.gpu_report.timing import Device

Result = TypeVar("Result")
_TESTS = 0.6  # share of the time that the tests may take


def main(arguments: list[str] | None = None) -> int:
    """Print the report, and write it; return 1 if a test or a measurement failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.gpu_report", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the report without a GPU")
    parser.add_argument("--write", type=Path, default=ROOT / "docs" / "gpu.md", help="the page to write")
    parser.add_argument("--minutes", type=float, default=8.0, help="what does not fit is left out, and named")
    parser.add_argument("--no-tests", action="store_true", help="measure only")
    args = parser.parse_args(arguments)
    device, end = Device(args.device), time.monotonic() + 60 * args.minutes
    lines, failed = _INTRODUCTION.splitlines(), False
    for line in report(device, args.small, not args.no_tests, end):
        failed |= "failed" in line
        print(line, flush=True)
        lines.append(line)
    args.write.write_text("\n".join(lines) + "\n")
    return int(failed)


def report(device: Device, small: bool, tests: bool, end: float) -> Iterator[str]:
    """Yield the lines of the page."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    sizes = ", at the tiny sizes of a trial" if small else ""
    yield f"Measured on {device.name} with torch {torch.__version__}, commit {commit.stdout.strip()}{sizes}."
    yield ""
    yield f"- tests/gpu: {_tested(end) if tests else 'not run'}"
    peak = peak_flops(device, small)
    yield f"- matrix product in bfloat16: {peak / 1e12:.2f} TFLOP/s, the peak below"
    solved = _tried(lambda: sinkhorn_seconds(device, small), end)
    yield "- Sinkhorn-Knopp, 1 281 167 x 3 000: " + (
        solved if isinstance(solved, str) else f"{solved[0]:.2f} s, {solved[1]} iterations"
    )
    found = _tried(lambda: kmeans_seconds(device, small), end)
    yield f"- k-means, 1 281 167 x 256, K = 10 000, {ITERATIONS} updates and the assignment of all rows: " + (
        found if isinstance(found, str) else f"{found:.2f} s"
    )
    yield ""
    titles = "Recipe", "clips/s", "TFLOP/s", "share of the peak", "memory", *SHARES
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for recipe in RECIPES:
        speed = _tried(lambda recipe=recipe: measure(recipe, device, small), end)  # type: ignore[misc]
        yield f"| {recipe.name} | {speed if isinstance(speed, str) else _row(speed, peak)}"


def _row(speed: Speed, peak: float) -> str:
    shares = " | ".join(f"{share:.1%}" for share in speed.shares.values())
    memory = f"{speed.memory:.1f} GiB" if speed.memory else "not known"
    return f"{speed.clips:.1f} | {speed.flops / 1e12:.3f} | {speed.flops / peak:.1%} | {memory} | {shares} |"


def _tried(work: Callable[[], Result], end: float) -> Result | str:
    """Return the result, or why there is none; one that does not fit must not hide the others."""
    if time.monotonic() > end:
        return "not run, as the time was over"
    try:
        return work()
    except (RuntimeError, ValueError) as error:
        return f"failed: {str(error).splitlines()[0]}"


def _tested(end: float) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "tests/gpu", "--maxfail=20", "-p", "no:cacheprovider"]
    seconds = max(1.0, _TESTS * (end - time.monotonic()))
    environment = {**os.environ, "UNLABELLED_GPU_TESTS": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return f"failed: not done after {seconds:.0f} s; run make test-gpu"
    last = [line for line in done.stdout.splitlines() if line.strip()]
    return (
        last[-1].strip("= ")
        if done.returncode == 0
        else f"failed: {last[-1] if last else done.stderr[-200:]}"
    )


_INTRODUCTION = """# GPUs

`make gpu-report` runs `tests/gpu` and the measurements of this page on one GPU in under eight minutes, and
writes the page. `make test-gpu` runs the tests alone. [Scaling](scaling.md#gpus) lists the options for GPUs.

- A recipe's step has bfloat16 autocast: forward, backward, optimiser and target network, at the recipe's
  sizes and batch on random numbers. Operations are counted by torch; the peak is that of a product of
  8 192 x 8 192 matrices.
- The shares are of an epoch: `loading` is the copy from pinned memory (bytes, without decoding), `clustering`
  the features of one pass over all clips for methods with passes, `evaluation` those of a tenth of the clips.
"""


if __name__ == "__main__":
    raise SystemExit(main())
