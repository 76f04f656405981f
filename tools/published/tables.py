"""Tables of papers, read from docs/published and from configs/sweeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
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
        commands: Commands for all rows; none: the rows have their own.
        missing: Why there is no command for the table; None: there is one.
    """

    name: str
    caption: str
    scores: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: str
    commands: tuple[str, ...]
    missing: str | None


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


def read_paper(name: str) -> Paper:
    """Return the tables of a paper, a file of docs/published."""
    content = read_texts(FOLDER / f"{name}.yaml")
    content.pop("options", None)
    tables = [_sweep_table(**each) if "sweep" in each else _table(**each) for each in content.pop("tables")]
    return Paper(**content, tables=tuple(tables))


def _table(
    name: str,
    caption: str,
    scores: list[str],
    rows: Mapping[str, Any],
    notes: str = "",
    command: str | None = None,
    missing: str | None = None,
) -> Table:
    read_rows = tuple(_row(row, **content) for row, content in rows.items())
    commands = () if command is None else (command,)
    return Table(name, caption, tuple(scores), read_rows, notes, commands, missing)


def _row(
    name: str,
    published: list[str],
    train: list[Any] | None = None,
    run: str | None = None,
    evaluate: list[Any] | None = None,
    measured: str | None = None,
) -> Row:
    training = None
    if train:
        recipe, *options = _flat(train)
        training = Run(recipe, tuple(options), run or recipe)
    evaluations = [_evaluation(each) for each in evaluate or []]
    return Row(name, tuple(published), training, tuple(evaluations), measured)


def _evaluation(entry: str | list[Any]) -> Evaluation:
    config, *options = _flat([entry])
    return Evaluation(config, tuple(options))


def _flat(entry: list[Any]) -> Iterator[str]:
    for each in entry:
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield each


def _sweep_table(
    name: str, caption: str, sweep: str, scores: Mapping[str, str], train: str | None = None, notes: str = ""
) -> Table:
    """Return the table of a sweep: a row for each of its cells that has published numbers.

    Args:
        name: See :class:`Table`.
        caption: See :class:`Table`.
        sweep: Name of a file in configs/sweeps.
        scores: Heads of the columns by score of the sweep.
        train: The recipe whose encoders a sweep without training evaluates.
        notes: See :class:`Table`.
    """
    content = read_texts(ROOT / "configs" / "sweeps" / f"{sweep}.yaml")
    command = f"python -m unlabelled sweep configs/sweeps/{sweep}.yaml"
    commands: tuple[str, ...] = (command,)
    if train is not None:
        checkpoint = f"--model.init_args.encoder_checkpoint=runs/{train}/checkpoints/last.ckpt"
        first = f"python cli.py fit --config configs/recipes/{train}.yaml"
        commands = (first, f"{command} --options {checkpoint}")
    rows = []
    for row, column in product(content["rows"], content["columns"]):
        published = [content["published"][score].get(row, {}).get(column, "-") for score in scores]
        if set(published) == {"-"}:
            continue
        options = [*content["base"], *content["columns"][column], *content["rows"][row]]
        title = row if len(content["columns"]) == 1 else f"{row}, {column}"
        run = _named_in(options) if train is None else (train, ())
        protocols = [_named_in(each["options"]) for each in content.get("protocols", {}).values()]
        evaluations = tuple(Evaluation(*each) for each in protocols)
        rows.append(Row(title, tuple(published), Run(*run, run[0]), evaluations, None))
    return Table(name, caption, tuple(scores.values()), tuple(rows), notes, commands, None)


def _named_in(options: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return the name of the first configuration of a command, and its other options."""
    configs = [each for each in options if each.startswith("--config=")]
    return Path(configs[0].partition("=")[2]).stem, tuple(each for each in options if each != configs[0])
