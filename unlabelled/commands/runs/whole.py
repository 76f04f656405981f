"""Find checkpoints that are whole: a file may have been cut off, by a full disk or while it was copied."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

_log = logging.getLogger(__name__)


def is_whole(checkpoint: Path) -> bool:
    """Return whether a file is a checkpoint, all parts of which have their checksums."""
    try:
        with zipfile.ZipFile(checkpoint) as parts:
            return bool(parts.namelist()) and parts.testzip() is None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError):
        return False


def whole(wanted: Path, others: Sequence[Path], quiet: bool = False) -> Path:
    """Return a checkpoint, or the newest one that is whole of some others, with a warning.

    Args:
        wanted: The checkpoint.
        others: Checkpoints that may take its place.
        quiet: Whether the warning is left out, as other ranks print it.

    Raises:
        ValueError: None of them is whole.
    """
    if is_whole(wanted):
        return wanted
    remaining = sorted((path for path in others if path != wanted), key=_time, reverse=True)
    found = next((path for path in remaining if is_whole(path)), None)
    if found is None:
        raise ValueError(
            f"ckpt_path: {wanted} is incomplete or damaged, and its run has no other whole checkpoint to "
            "take its place; start again without --ckpt_path, or give another checkpoint"
        )
    if not quiet:
        _log.warning(
            "ckpt_path: %s is incomplete or damaged; "
            "%s, the newest whole checkpoint of the run, takes its place",
            wanted,
            found,
        )
    return found


def _time(path: Path) -> float:
    return path.stat().st_mtime
