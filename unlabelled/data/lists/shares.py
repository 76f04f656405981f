"""Division of files into splits by share, such that all parts of a file are in one split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from unlabelled.data.media.equal_files import representatives
from unlabelled.data.media.files import composed


@dataclass(frozen=True)
class Shares:
    """Shares of the held-out files.

    Args:
        val: Share of ``val``; 0: no file is held out.
        test: Share of ``test``; 0: the files of ``val``.
        seed: Seed of the division, apart from the run's.

    Raises:
        ValueError: A share is negative, or no file is left to train on.
    """

    val: float = 0.2
    test: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.val, self.test) < 0 or self.val + self.test >= 1:
            raise ValueError(
                f"val_share={self.val} and test_share={self.test} must be at least 0, and below 1 together"
            )

    def __str__(self) -> str:
        if self.val == self.test == 0:
            return "no file is held out, val and test are the training files"
        return f"val_share {self.val:g}" + (f", test_share {self.test:g}" if self.test else "")


def held_out_files(root: str, paths: Sequence[str], shares: Shares) -> dict[str, str]:
    """Return ``val`` or ``test`` for each held-out path.

    The files are put into an order that depends on the seed and their names only, and the first ones are
    held out, at least one for each share above 0. Links to a file, and copies of it, are in one split.

    Args:
        root: Folder that the paths are relative to.
        paths: Of files, which may be named several times.
        shares: The shares.

    Raises:
        ValueError: There are fewer files than splits.
    """
    full = {path: os.path.join(root, path) for path in dict.fromkeys(paths)}
    same = representatives(full.values())
    groups: dict[str, list[str]] = {}
    for path in sorted(full):
        groups.setdefault(same[full[path]], []).append(path)
    parts = {"val": shares.val, "test": shares.test}
    wanted = {split: max(1, round(share * len(groups))) for split, share in parts.items() if share > 0}
    if sum(wanted.values()) >= len(groups) and wanted:
        raise ValueError(
            f"root={root!r} has {len(groups)} different file(s), too few for train, {' and '.join(wanted)}; "
            "add files, or set val_share and test_share to 0 to evaluate on the training files"
        )
    drawn = iter(sorted(groups.values(), key=lambda group: _order(group[0], shares.seed)))
    return {path: split for split, count in wanted.items() for _ in range(count) for path in next(drawn)}


def _order(path: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{composed(path)}".encode("utf-8", "surrogateescape")).digest()
