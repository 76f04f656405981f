"""The commands of a row: what it starts from, its training, its evaluations."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tools.layout import ROOT
from tools.published.tables import Evaluation, Row, Run, Table, read

_CHECKPOINT = re.compile(r"runs/(\w+)/checkpoints/")


def find(name: str, *folders: str) -> Path:
    """Return the configuration of a name in the first of the folders of configs that has it.

    Raises:
        ValueError: There is none.
    """
    for folder in folders:
        if (path := ROOT / "configs" / folder / f"{name}.yaml").is_file():
            return path
    raise ValueError(f"docs/published: there is no configs/{{{','.join(folders)}}}/{name}.yaml")


@cache
def content_of(path: Path) -> Any:
    """Return the content of a configuration."""
    return read(path)


def origins(run: Run) -> list[Run]:
    """Return the runs that a training starts from, the first one first."""
    arguments = content_of(find(run.recipe, "recipes"))["model"]["init_args"]
    found = [_CHECKPOINT.match(str(arguments.get(key))) for key in ("encoder_checkpoint", "weights")]
    earlier = [Run(match[1], (), match[1]) for match in found if match]
    return [each for name in earlier for each in (*origins(name), name)]


def row_commands(row: Row) -> Iterator[list[str]]:
    """Yield the commands that repeat a row, as words."""
    if row.run is None:
        return
    yield from map(training_command, (*origins(row.run), row.run))
    for evaluation in row.evaluations:
        yield from _evaluate(row.run, evaluation)


def training_command(run: Run) -> list[str]:
    """Return the command of a training, as words."""
    return _command("fit", find(run.recipe, "recipes"), *_named(run), *run.options)


def _evaluate(run: Run, evaluation: Evaluation) -> Iterator[list[str]]:
    recipe, last = find(run.recipe, "recipes"), ["--ckpt_path", "last"]
    if evaluation.config == "test":
        yield _command("test", recipe, *_named(run), *run.options, *evaluation.options, *last)
        return
    path = find(evaluation.config, "protocols", "recipes", "data")
    if path.parent.name == "data":
        yield _command("test", recipe, "--config", _relative(path), *_named(run), *run.options, *last)
        return
    name = "_".join([evaluation.config, run.name, *_values(evaluation.options, "fold")])
    encoder = f"--model.init_args.encoder_checkpoint=runs/{run.name}/checkpoints/last.ckpt"
    options = ["--run", name, *evaluation.options]
    if not is_trained(path):
        yield _command("test", path, *options, encoder)
        return
    yield _command("fit", path, *options, encoder)
    yield _command("test", path, *options, *last)


def is_trained(path: Path) -> bool:
    """Return whether an evaluation trains a classifier before it tests."""
    return bool(content_of(path)["model"]["class_path"] != "lightning_modules.Pretrained")


def _named(run: Run) -> list[str]:
    return [] if run.name == run.recipe else ["--run", run.name]


def _values(options: tuple[str, ...], key: str) -> list[str]:
    return [
        f"{key}{each.partition('=')[2]}" for each in options if each.partition("=")[0].endswith(f".{key}")
    ]


def _command(name: str, path: Path, *options: str) -> list[str]:
    return ["python", "cli.py", name, "--config", _relative(path), *options]


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def table_commands(table: Table) -> Iterator[str]:
    """Yield the command lines of a table, each once, those of a row below its name."""
    if table.command is not None:
        started = [each for row in table.rows if row.run is not None for each in origins(row.run)]
        yield from dict.fromkeys(shlex.join(training_command(run)) for run in (*started, *table.first))
        yield table.command
        return
    seen: set[str] = set()
    for row in table.rows:
        lines = [line for line in map(shlex.join, row_commands(row)) if line not in seen]
        if lines:
            yield f"# {row.name}"
            yield from lines
        seen.update(lines)
