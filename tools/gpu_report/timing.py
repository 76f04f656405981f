"""Seconds and memory on a device."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


class Device:
    """A device whose work is waited for before the clock is read.

    Args:
        name: ``cuda`` or ``cpu``.

    Raises:
        SystemExit: There is no such device.
    """

    def __init__(self, name: str) -> None:
        if name == "cuda" and not torch.cuda.is_available():
            raise SystemExit("error: there is no GPU; --device cpu --small tries the report at tiny sizes")
        self.torch = torch.device(name)

    @property
    def name(self) -> str:
        """Name of the hardware."""
        return torch.cuda.get_device_name() if self.torch.type == "cuda" else "the processor"

    def seconds(self, work: Callable[[], object]) -> float:
        """Return the duration of ``work``."""
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - started

    def reset_peak(self) -> None:
        """Forget the peak of the memory."""
        if self.torch.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def peak_memory(self) -> float:
        """Return the peak of the memory of tensors in GiB; 0 on a processor."""
        return torch.cuda.max_memory_allocated() / 2**30 if self.torch.type == "cuda" else 0.0

    def _wait(self) -> None:
        if self.torch.type == "cuda":
            torch.cuda.synchronize()
