"""Imports and comparisons that would make the start of every command slow."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

_PATCHED = "scipy.signal"


def import_torchmetrics() -> None:
    """Import torchmetrics, which Lightning imports, without ``scipy.signal``.

    torchmetrics imports the module, which takes as long as torch itself, to give it back a function that
    scipy has removed (``hamming``), for a package that is not used here. It finds a module that has the
    function instead; who imports ``scipy.signal`` later gets the true one.
    """
    if _PATCHED in sys.modules:
        return
    stand_in = ModuleType(_PATCHED)
    stand_in.hamming = None  # type: ignore[attr-defined]
    sys.modules[_PATCHED] = stand_in
    try:
        importlib.import_module("torchmetrics")
    finally:
        del sys.modules[_PATCHED]


def remember_protocols() -> None:
    """Let jsonargparse compare a class with a Protocol once, not each time that an option is checked.

    It evaluates the annotations of all methods each time, and parses the source of their modules for that:
    half of the time of a command line.
    """
    from jsonargparse import _typehints

    compare = _typehints.implements_protocol
    compare_classes = functools.cache(compare)

    def implements_protocol(value: Any, protocol: type) -> bool:
        return bool((compare_classes if inspect.isclass(value) else compare)(value, protocol))

    _typehints.implements_protocol = implements_protocol
