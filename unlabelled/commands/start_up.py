"""Imports that would make the start of every command slow."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

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
