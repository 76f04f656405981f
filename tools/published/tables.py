"""Tables of papers: rows of published numbers, and the runs that repeat them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.layout import ROOT

FOLDER = ROOT / "docs" / "published"
PAPERS = ("sce", "selavi", "sspc", "dmc", "shhc")


@dataclass(frozen=True)
class Run:
    """A training.

    Args:
        recipe: Name of its file in configs/recipes.
        options: Further options, ``--key=value``.
        name: Name of the run, ``runs/NAME``.
    """

    recipe: str
    options: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Evaluation:
    """An evaluation of the encoders of a run.

    Args:
        config: ``test``: by the recipe itself; else the name of a file in configs/protocols or
            configs/recipes, or of an overlay of the recipe in configs/data.
        options: Further options, ``--key=value``.
    """

    config: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        name: What the paper varies.
        published: The numbers of the paper, one for each score of the table.
        run: The training; None: nothing is trained.
        evaluations: What measures the scores.
        measured: What was measured here, with commit and machine; None: not run.
    """

    name: str
    published: tuple[str, ...]
    run: Run | None
    evaluations: tuple[Evaluation, ...]
    measured: str | None


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Args:
        name: Its name in the paper.
        caption: What it compares.
        scores: Heads of the columns.
        rows: Its rows.
        notes: Markdown, below the table.
        command: One command for all rows; None: the rows have their own.
        first: Runs that are to be made before that command.
    """

    name: str
    caption: str
    scores: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: str
    command: str | None
    first: tuple[Run, ...]


@dataclass(frozen=True)
class Paper:
    """A paper: title, source, page of the method, where small results are, notes, tables."""

    title: str
    source: str
    page: str
    measured: str
    notes: str
    tables: tuple[Table, ...]


def read(path: Path) -> Any:
    """Return the content of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def read_texts(path: Path) -> Any:
    """Return the content of a YAML file with all values as they are written: 82.80 is not 82.8."""
    return yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)


def run_of(train: list[Any], name: str | None = None) -> Run:
    """Return the training of a recipe and its options, in lists of any depth."""
    recipe, *options = flat(train)
    return Run(recipe, tuple(options), name or recipe)


def flat(entry: list[Any]) -> Iterator[str]:
    """Yield the texts of nested lists."""
    for each in entry:
        if isinstance(each, list):
            yield from flat(each)
        else:
            yield each
