"""Media files: open, decode, index.

Readers are imported on first use: a process that probes files starts in 0.3 s without them, and in seconds
with torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabelled.data.media.cached_reader import CachedReader
    from unlabelled.data.media.decord_reader import DecordReader
    from unlabelled.data.media.paired_reader import PairedReader
    from unlabelled.data.media.pyav_reader import PyAVReader

__all__ = ["CachedReader", "DecordReader", "PairedReader", "PyAVReader"]

_MODULES = {
    "CachedReader": "cached_reader",
    "DecordReader": "decord_reader",
    "PairedReader": "paired_reader",
    "PyAVReader": "pyav_reader",
}


def __getattr__(name: str) -> Any:
    """Import a reader."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
