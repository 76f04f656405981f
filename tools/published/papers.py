"""The tables of each paper, from docs/published; some of their rows are in configs/sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.published.sweeps import sweep_table
from tools.published.tables import FOLDER, Evaluation, Paper, Row, Table, flat, read_texts, run_of

PAPERS = ("sce", "selavi", "sspc", "dmc", "shhc")


def read_paper(name: str) -> Paper:
    """Return a paper, a file of docs/published."""
    content = read_texts(FOLDER / f"{name}.yaml")
    content.pop("options", None)  # only to be repeated in rows
    tables = [sweep_table(**each) if "sweep" in each else _table(**each) for each in content.pop("tables")]
    return Paper(**content, tables=tuple(tables))


def _table(
    name: str,
    caption: str,
    scores: list[str],
    rows: Mapping[str, Any],
    notes: str = "",
    command: str | None = None,
) -> Table:
    read_rows = tuple(_row(row, **content) for row, content in rows.items())
    return Table(name, caption, tuple(scores), read_rows, notes, command, ())


def _row(
    name: str,
    published: list[str],
    train: list[Any] | None = None,
    run: str | None = None,
    evaluate: list[Any] | None = None,
    measured: str | None = None,
) -> Row:
    training = run_of(train, run) if train else None
    evaluations = [_evaluation(each) for each in evaluate or []]
    return Row(name, tuple(published), training, tuple(evaluations), measured)


def _evaluation(entry: str | list[Any]) -> Evaluation:
    config, *options = flat([entry])
    return Evaluation(config, tuple(options))
