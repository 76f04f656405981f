"""Imports and repeated work that would make the start of every command slow."""

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
    """Let jsonargparse compare a class with a Protocol once; it does so some hundred times for a run.

    The comparison resolves the annotations of all methods, and takes half of the time in which a
    configuration is parsed.
    """
    module: Any = importlib.import_module("jsonargparse._typehints")
    compare = getattr(module, "implements_protocol", None)
    if compare is None or hasattr(compare, "cache_info"):
        return
    once: Any = functools.lru_cache(maxsize=None)(compare)

    @functools.wraps(compare)
    def implements_protocol(value: Any, protocol: Any) -> bool:
        return bool(once(value, protocol) if inspect.isclass(value) else compare(value, protocol))

    implements_protocol.cache_info = once.cache_info  # type: ignore[attr-defined]  # marks it as done
    module.implements_protocol = implements_protocol
