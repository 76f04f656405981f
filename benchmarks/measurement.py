"""Measure time and memory for the benchmarks. Memory requires Linux: it is read from /proc."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Output = TypeVar("Output")


def timed(function: Callable[[], Output]) -> tuple[float, Output]:
    """Call a function; return the duration in seconds and the output."""
    started = time.perf_counter()
    output = function()
    return time.perf_counter() - started, output


def resident(field: str) -> float:
    """Return the resident memory of this process in MiB: the present one (VmRSS) or the peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def reset_peak() -> None:
    """Set the peak (VmHWM) to the present memory."""
    Path("/proc/self/clear_refs").write_text("5")
