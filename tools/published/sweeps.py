"""Tables whose rows, options and published numbers are in a file of configs/sweeps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.layout import ROOT
from tools.published.tables import Evaluation, Row, Run, Table, read_texts, run_of

_CONFIG = "--config="
_ENCODERS = "--model.init_args.encoder_checkpoint="
_MEAN = "mean"


def sweep_table(
    name: str,
    caption: str,
    sweep: str,
    scores: Mapping[str, str],
    train: Mapping[str, list[Any]] | None = None,
    notes: str = "",
) -> Table:
    """Return the table of a sweep: a row for each cell, or mean over columns, that has published numbers.

    Args:
        name: See :class:`~tools.published.tables.Table`.
        caption: See there.
        sweep: Name of a file in configs/sweeps.
        scores: Heads of the columns by score of the sweep.
        train: For a sweep of evaluations, the runs that it starts from by name: recipe and options, or
            nothing, if the name is that of the recipe.
        notes: See there.
    """
    runs = {each: run_of(given or [each], each) for each, given in (train or {}).items()}
    content = read_texts(ROOT / "configs" / "sweeps" / f"{sweep}.yaml")
    command = f"python -m unlabelled sweep configs/sweeps/{sweep}.yaml"
    if len(runs) == 1:
        (only,) = runs
        command += f" --options {_ENCODERS}runs/{only}/checkpoints/last.ckpt"
    rows = tuple(_rows(content, list(scores), runs))
    return Table(name, caption, tuple(scores.values()), rows, notes, command, tuple(runs.values()))


def _rows(content: Any, scores: list[str], runs: Mapping[str, Run]) -> Iterator[Row]:
    columns = content["columns"]
    protocols = [_evaluation(each["options"]) for each in content.get("protocols", {}).values()]
    for row, options in content["rows"].items():
        for column in (*columns, _MEAN):
            published = [content["published"][score].get(row, {}).get(column) for score in scores]
            if not any(published):
                continue
            commands = [
                [*content["base"], *columns[each], *options] for each in columns if column in (each, _MEAN)
            ]
            run, evaluations = _own(commands[0]), protocols
            if runs:
                run, evaluations = _earlier(commands[0], runs), [_evaluation(each) for each in commands]
            title = row if len(columns) == 1 or not _differ(content, scores) else f"{row}, {column}"
            yield Row(title, tuple(each or "-" for each in published), run, tuple(evaluations), None)


def _differ(content: Any, scores: list[str]) -> bool:
    """Return whether columns have published numbers of their own, not only their mean."""
    rows = [row for score in scores for row in content["published"][score].values()]
    return any(column != _MEAN for row in rows for column in row)


def _own(options: list[str]) -> Run:
    """Return the run of a cell that trains."""
    config, *others = _config_first(options)
    return run_of([config, *others])


def _earlier(options: list[str], runs: Mapping[str, Run]) -> Run:
    """Return the run whose encoders a cell evaluates."""
    found = [re.search(r"runs/(\w+)/", each) for each in options if each.startswith(_ENCODERS)]
    return runs[found[0][1]] if found and found[0] else next(iter(runs.values()))


def _evaluation(options: list[str]) -> Evaluation:
    config, *others = _config_first(options)
    return Evaluation(config, tuple(others))


def _config_first(options: list[str]) -> list[str]:
    """Return the name of the first configuration of a command, then its other options."""
    first = next(each for each in options if each.startswith(_CONFIG))
    return [Path(first.removeprefix(_CONFIG)).stem, *(each for each in options if each != first)]
