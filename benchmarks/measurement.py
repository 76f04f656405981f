"""Measure time and memory for the benchmarks. Memory and processor are read from /proc (Linux)."""

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


def processor() -> str:
    """Return the name of the processor as ``lscpu`` prints it, with its family and model (Linux)."""
    lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return f"{facts.get('model name')}, family {facts.get('cpu family')}, model {facts.get('model')}"


def resident(field: str) -> float:
    """Return the resident memory of this process in MiB: the present one (VmRSS) or the peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def reset_peak() -> None:
    """Set the peak (VmHWM) to the present memory."""
    Path("/proc/self/clear_refs").write_text("5")
