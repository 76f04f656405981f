"""Checks of a run that need no data: accelerator, packages of loggers, monitored metrics."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from unlabelled.commands.errors.suggestions import nearest

_OWN = ("lightning_modules", "callbacks", "lightning")
_LIGHTNING = ("epoch", "step", "lr-*")  # counters, and the values of LearningRateMonitor
_REQUIREMENT = re.compile(r"class_path '([\w.]+)':\s+Requirement '([\w-]+)([^']*)' not met")


def check_accelerator(trainer: Any) -> None:
    """Check that the machine has the GPUs that a configuration asks for.

    Raises:
        ValueError: It has none, or fewer.
    """
    name, devices = trainer.accelerator, str(trainer.devices)
    if name not in ("gpu", "cuda") or (name == "gpu" and torch.backends.mps.is_available()):
        return
    count = torch.cuda.device_count()
    if count == 0:
        raise ValueError(
            f"trainer.accelerator: {name!r}, but torch finds no GPU on this machine; give "
            "--trainer.accelerator cpu, or see what `python cli.py doctor` reports"
        )
    if devices.isdigit() and int(devices) > count:
        raise ValueError(f"trainer.devices: {devices}, but torch finds {count} GPUs on this machine")


def missing_package(message: str) -> str | None:
    """Return one line if an error is that a class lacks a package, or None.

    >>> missing_package("... class_path 'a.BLogger': Requirement 'b>=0.12' not met. HINT: ...")
    "a.BLogger requires the package b (>=0.12), which is not installed: pip install 'b>=0.12'"
    """
    found = _REQUIREMENT.search(message)
    if found is None:
        return None
    cls, package, version = found.groups()
    required = f"{package} ({version})" if version else package
    return f"{cls} requires the package {required}, which is not installed: pip install '{package}{version}'"


def check_monitors(method: Any, callbacks: Sequence[Any]) -> None:
    """Check that the run logs the metrics that its callbacks monitor.

    A class lists the metrics that it logs as its attribute ``logs``, patterns of names. Where the method or a
    callback is of another package and has no list of its own, any metric may be logged.

    Args:
        method: The method.
        callbacks: All callbacks of the run.

    Raises:
        ValueError: A callback monitors what nothing logs.
    """
    logged = listed_metrics([method, *callbacks])
    if logged is None:
        return
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and not is_listed(monitor, logged):
            near = nearest(monitor, logged)
            hint = f"did you mean {near}?" if near else f"it logs {', '.join(logged)}"
            raise ValueError(
                f"trainer.callbacks: {type(callback).__name__} monitors {monitor!r}, which this run does not "
                f"log; {hint}"
            )


def listed_metrics(sources: Sequence[Any]) -> list[str] | None:
    """Return the patterns of the metrics that a method and callbacks log; None: one of them has no list."""
    if not all(map(_is_known, sources)):
        return None
    return sorted({pattern for source in sources for pattern in _patterns(source)})


def is_listed(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a metric has one of the patterns, or is one of Lightning's own."""
    name = re.sub(r"/dataloader_idx_\d+$", "", name)  # Lightning adds it where there are several loaders
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in (*patterns, *_LIGHTNING))


def _is_known(source: Any) -> bool:
    return type(source).__module__.split(".")[0] in _OWN or "logs" in vars(type(source))


def _patterns(source: Any) -> Iterable[str]:
    """Return the lists of a class and of its bases."""
    for cls in type(source).__mro__:
        yield from vars(cls).get("logs", ())
