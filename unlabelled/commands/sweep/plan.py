"""The file of a sweep: a base, rows and columns of options, seeds, and the score of the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unlabelled.data.media.storage import short_hash
from unlabelled.environment import experiment_root

ROOT = experiment_root(Path(__file__).resolve().parents[2])
_KEYS = {"title", "base", "rows", "columns", "seeds", "checkpoint", "scores"}


@dataclass(frozen=True)
class Cell:
    """One run: a row and a column of the table, and a seed.

    Args:
        row: Name of the row.
        column: Name of the column.
        seed: Seed of the run.
        options: Options of ``fit`` and ``test``, without folders and checkpoint.
    """

    row: str
    column: str
    seed: int
    options: tuple[str, ...]

    def folder(self, out: Path) -> Path:
        """Return the output folder of the run."""
        return out / self.row / self.column / f"seed{self.seed}"

    @property
    def fingerprint(self) -> str:
        """Hash of the options, and of the configurations that they name."""
        files = [each.partition("=")[2] for each in self.options if each.startswith("--config=")]
        texts = [(ROOT / file).read_text(encoding="utf-8") for file in files]
        return short_hash(repr([self.options, texts]))


@dataclass(frozen=True)
class Sweep:
    """A grid of runs: each row with each column and each seed.

    Args:
        title: Heading of the table.
        rows: Options by name of the row, usually settings.
        columns: Options by name of the column, usually data sets.
        base: Options of all runs; those of columns and rows follow, in this order.
        seeds: Seeds of each cell.
        checkpoint: Name of the checkpoint that is tested.
        scores: Names of the scores that ``test`` logs, without ``test/``; one table for each.
    """

    title: str
    rows: dict[str, list[str]]
    columns: dict[str, list[str]]
    base: list[str]
    seeds: list[int]
    checkpoint: str
    scores: list[str]

    def cells(self) -> list[Cell]:
        """Return all runs, seed by seed."""
        return [
            Cell(row, column, seed, (*self.base, *self.columns[column], *self.rows[row]))
            for seed in self.seeds
            for row in self.rows
            for column in self.columns
        ]


def read_sweep(path: Path) -> Sweep:
    """Read the file of a sweep.

    Raises:
        ValueError: A key is missing or unknown, or an option is no text that begins with ``--``, or a
            configuration names a folder of checkpoints.
    """
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a sweep has the keys {sorted(_KEYS)}")
    if set(content) != _KEYS:
        wrong = sorted(set(content) ^ _KEYS)
        raise ValueError(f"{path}: missing or unknown key {wrong[0]!r}; a sweep has {sorted(_KEYS)}")
    groups = [content["base"], *content["rows"].values(), *content["columns"].values()]
    for option in (each for group in groups for each in group):
        if not isinstance(option, str) or not option.startswith("--"):
            raise ValueError(f"{path}: {option!r} must be an option of one word, such as --key=value")
        file = ROOT / option.removeprefix("--config=")
        if option.startswith("--config=") and "dirpath:" in file.read_text(encoding="utf-8"):
            raise ValueError(f"{path}: {file} has a dirpath, into which all runs would write; leave it out")
    return Sweep(**content)
