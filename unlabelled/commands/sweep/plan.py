"""The file of a sweep: a base, rows and columns of options, seeds, protocols, and the scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from unlabelled.data.media.storage import short_hash
from unlabelled.environment import experiment_root

ROOT = experiment_root(Path(__file__).resolve().parents[2])
_CONFIG = "--config="
MEAN = "mean"
"""Name of the mean over columns, which may have a published number, too."""


@dataclass(frozen=True)
class Protocol:
    """An evaluation of the encoders of each run, by ``fit`` and ``test``, or by ``test`` alone.

    Args:
        options: Its options; ``--model.init_args.encoder_checkpoint`` is added.
        checkpoint: Name of the checkpoint that is tested; None: there is no ``fit``.
    """

    options: list[str]
    checkpoint: str | None = "last"


@dataclass(frozen=True)
class Cell:
    """One run: a row and a column of the table, and a seed.

    Args:
        row: Name of the row.
        column: Name of the column.
        seed: Seed of the run.
        options: Options of ``fit`` and ``test``, without folders and checkpoint.
        protocols: Evaluations of the run by name.
    """

    row: str
    column: str
    seed: int
    options: tuple[str, ...]
    protocols: Mapping[str, Protocol] = field(default_factory=dict, hash=False)

    def folder(self, out: Path) -> Path:
        """Return the output folder of the run."""
        return out / self.row / self.column / f"seed{self.seed}"

    @property
    def fingerprint(self) -> str:
        """Hash of the options, and of the configurations that they name."""
        of_protocols = [each for protocol in self.protocols.values() for each in protocol.options]
        content: list[Any] = [self.options, _texts(self.options)]
        if of_protocols:
            content += [of_protocols, _texts(of_protocols)]
        return short_hash(repr(content))


def _texts(options: Any) -> list[str]:
    files = [each.removeprefix(_CONFIG) for each in options if each.startswith(_CONFIG)]
    return [(ROOT / file).read_text(encoding="utf-8") for file in files]


@dataclass(frozen=True)
class Sweep:
    """A grid of runs: each row with each column and each seed.

    Args:
        title: Heading of the table.
        rows: Options by name of the row, usually settings.
        columns: Options by name of the column, usually data sets.
        base: Options of all runs; those of columns and rows follow, in this order.
        seeds: Seeds of each cell.
        checkpoint: Name of the checkpoint that is tested and that protocols evaluate; None: runs have no
            ``fit``.
        scores: Names of the scores that ``test`` logs, without ``test/``; one table for each. Those of a
            protocol have its name and a slash in front.
        protocols: Evaluations of the encoders of each run by name.
        published: Published numbers by score, row and column, or ``mean``, in the unit of the table.
        percent: Show these scores in percent; True: all.
    """

    title: str
    rows: dict[str, list[str]]
    columns: dict[str, list[str]]
    base: list[str]
    seeds: list[int]
    checkpoint: str | None
    scores: list[str]
    protocols: dict[str, Protocol] = field(default_factory=dict)
    published: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    percent: bool | list[str] = False

    def cells(self) -> list[Cell]:
        """Return all runs, seed by seed."""
        return [
            Cell(row, column, seed, (*self.base, *self.columns[column], *self.rows[row]), self.protocols)
            for seed in self.seeds
            for row in self.rows
            for column in self.columns
        ]

    def protocol_of(self, score: str) -> str | None:
        """Return the protocol that measures a score; None: the test of the run itself."""
        name = score.partition("/")[0]
        return name if name in self.protocols else None

    def in_percent(self, score: str) -> bool:
        """Return whether a score is shown in percent."""
        return (
            score in self.percent if isinstance(self.percent, list) else self.percent and score in self.scores
        )

    def with_options(self, options: list[str]) -> Sweep:
        """Return the sweep with further options, which come last.

        Args:
            options: Options of the runs, ``--key=value``; or, as ``NAME:--key=value``, of a protocol.

        Raises:
            ValueError: One has another form, or names no protocol.
        """
        rows = {row: list(given) for row, given in self.rows.items()}
        protocols = {name: replace(each, options=list(each.options)) for name, each in self.protocols.items()}
        for option in options:
            name, colon, rest = option.partition(":")
            if option.startswith("--"):
                for given in rows.values():
                    given.append(option)
            elif colon and name in protocols and rest.startswith("--"):
                protocols[name].options.append(rest)
            else:
                known = "".join(f", or {each}:--key=value" for each in protocols)
                raise ValueError(f"--options: {option!r} must be --key=value{known}")
        return replace(self, rows=rows, protocols=protocols)


def read_sweep(path: Path) -> Sweep:
    """Read the file of a sweep.

    Raises:
        ValueError: A key is missing or unknown, or an option is no text that begins with ``--``, or a
            configuration names a folder of checkpoints, or a published number has no place in the tables.
    """
    content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    known = {each.name for each in fields(Sweep)}
    required = known - {"protocols", "published", "percent"}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a sweep has the keys {sorted(required)}")
    if wrong := sorted((set(content) - known) | (required - set(content))):
        raise ValueError(f"{path}: missing or unknown key {wrong[0]!r}; a sweep has {sorted(known)}")
    protocols = {name: _protocol(path, name, each) for name, each in content.pop("protocols", {}).items()}
    sweep = Sweep(**content, protocols=protocols)
    for option in _all_options(sweep):
        _check_option(path, option)
    _check_published(path, sweep)
    return sweep


def _protocol(path: Path, name: str, content: Any) -> Protocol:
    try:
        return Protocol(**content)
    except TypeError as error:
        raise ValueError(f"{path}: protocol {name!r} has `options`, and may have `checkpoint`") from error


def _all_options(sweep: Sweep) -> Iterator[Any]:
    protocols = [each.options for each in sweep.protocols.values()]
    for group in (sweep.base, *sweep.rows.values(), *sweep.columns.values(), *protocols):
        yield from group


def _check_option(path: Path, option: Any) -> None:
    if not isinstance(option, str) or not option.startswith("--"):
        raise ValueError(f"{path}: {option!r} must be an option of one word, such as --key=value")
    file = ROOT / option.removeprefix(_CONFIG)
    if option.startswith(_CONFIG) and "dirpath:" in file.read_text(encoding="utf-8"):
        raise ValueError(f"{path}: {file} has a dirpath, into which all runs would write; leave it out")


def _check_published(path: Path, sweep: Sweep) -> None:
    columns_and_mean = [*sweep.columns, MEAN]
    places = {(score, row, col) for score in sweep.scores for row in sweep.rows for col in columns_and_mean}
    for score, rows in sweep.published.items():
        for row, columns in rows.items():
            for column in columns:
                if (score, row, column) not in places:
                    raise ValueError(
                        f"{path}: published: there is no score {score!r} in row {row!r}, column {column!r}"
                    )
