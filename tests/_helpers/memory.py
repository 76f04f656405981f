"""Resident memory of this process; ``ru_maxrss`` is no measure of it, since a child inherits its parent's."""

from __future__ import annotations

from pathlib import Path


def peak_kib() -> int:
    """Return the peak resident memory in KiB since the last reset (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def reset_peak() -> None:
    """Set the peak to the present memory (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
