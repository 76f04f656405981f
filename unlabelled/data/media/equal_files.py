"""Find files of equal contents."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, BinaryIO

from unlabelled.data.media.disk import open_file, real_path, state_of

_START = 1 << 16  # bytes; most files of equal size differ here


def equal_files(first: Iterable[str], second: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of a file of ``first`` and one of ``second`` that have the same bytes.

    Files of equal size are compared by a hash of their beginning, then by a hash of the whole. Missing,
    unreadable and empty files are equal to none. A file of ``second`` is in one pair at most, in its order.
    """
    seconds = _by_size(second)
    firsts = {size: paths for size, paths in _by_size(first).items() if size in seconds}
    pairs: dict[str, str] = {}
    for size, paths in firsts.items():
        starts = _by_hash(seconds[size], _START)
        for start, candidates in _by_hash(paths, _START).items():
            if start in starts:
                wholes = _by_hash(candidates)
                for whole, equal in _by_hash(starts[start]).items():
                    pairs |= {path: wholes[whole][0] for path in equal if whole in wholes}
    return sorted((one, other) for other, one in pairs.items())


def representatives(paths: Iterable[str]) -> dict[str, str]:
    """Return for each path the first of those that lead to the same file, or to a copy of it.

    Missing, unreadable and empty files are equal to none.
    """
    real = {path: real_path(path) for path in paths}
    first: dict[str, str] = {}
    for path, target in real.items():
        first.setdefault(target, path)
    for candidates in _by_size(first).values():
        starts = _by_hash(candidates, _START) if len(candidates) > 1 else {}
        for start in starts.values():
            for copies in _by_hash(start).values() if len(start) > 1 else ():
                first |= dict.fromkeys(copies, first[copies[0]])
    return {path: first[target] for path, target in real.items()}


def _by_size(paths: Iterable[str]) -> dict[int, list[str]]:
    found = defaultdict(list)
    for path in paths:
        try:
            size = state_of(path).size
        except (OSError, ValueError):
            continue
        if size > 0:
            found[size].append(path)
    return found


def _by_hash(paths: Iterable[str], length: int = -1) -> dict[bytes, list[str]]:
    """Return the paths by the hash of their first ``length`` bytes; -1: of all."""
    found = defaultdict(list)
    for path in paths:
        try:
            with open_file(path) as file:
                digest = _digest(file, length)
        except OSError:
            continue
        found[digest.digest()].append(path)
    return found


def _digest(file: BinaryIO, length: int) -> Any:
    return hashlib.sha256(file.read(length)) if length >= 0 else hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]
