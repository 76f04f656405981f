"""Media files: open, decode, index.

Names are imported on first use: a process that probes files starts without torch, which readers import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unlabelled.data.media.cached_reader import CachedReader
    from unlabelled.data.media.decord_reader import DecordReader, TorchCodecReader
    from unlabelled.data.media.files import MEDIA_SUFFIXES, scan_files
    from unlabelled.data.media.index import ClipIndex, Entry, Requirements, build_index
    from unlabelled.data.media.paired_reader import PairedReader
    from unlabelled.data.media.pyav_reader import PyAVReader

__all__ = [
    "MEDIA_SUFFIXES",
    "CachedReader",
    "ClipIndex",
    "DecordReader",
    "Entry",
    "PairedReader",
    "PyAVReader",
    "Requirements",
    "TorchCodecReader",
    "build_index",
    "scan_files",
]

_MODULES = {
    "CachedReader": "cached_reader",
    "ClipIndex": "index",
    "DecordReader": "decord_reader",
    "Entry": "index",
    "PairedReader": "paired_reader",
    "PyAVReader": "pyav_reader",
    "Requirements": "index",
    "TorchCodecReader": "decord_reader",
    "build_index": "index",
    "MEDIA_SUFFIXES": "files",
    "scan_files": "files",
}


def __getattr__(name: str) -> Any:
    """Import a class or function from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
