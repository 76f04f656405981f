"""Disks that are full or cannot be written to: small file systems in memory, which only root can mount."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of some size, such as ``1m``; skip the test where that is not allowed."""
    folder.mkdir()
    if (problem := _call("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))) is not None:
        pytest.skip(f"a disk of its own cannot be mounted here, so that none can be full: {problem}")
    try:
        yield folder
    finally:
        _call("umount", "--lazy", str(folder))


def fill(disk: Path, leave: int = 0) -> Path:
    """Write a file until no more than ``leave`` bytes, in pages, are free; return the file."""
    path = disk / "filling"
    path.write_bytes(b"\0" * max(0, shutil.disk_usage(disk).free - leave))
    assert shutil.disk_usage(disk).free <= leave
    return path


def make_read_only(disk: Path) -> None:
    """Mount a disk again such that nothing can be written, not even by root."""
    assert _call("mount", "-o", "remount,ro", str(disk)) is None


def _call(*command: str) -> str | None:
    """Return what went wrong; None: nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() or "it failed" if done.returncode else None
