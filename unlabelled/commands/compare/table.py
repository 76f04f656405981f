"""Write the results of a comparison: ``table.md`` with statistics over seeds, and TensorBoard's HParams."""

from __future__ import annotations

import functools
import shlex
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unlabelled.commands.compare.plan import FROZEN, Method, Plan
from unlabelled.commands.compare.results import Result, Results
from unlabelled.data.media.storage import write_atomically
from unlabelled.environment import describe

LEGEND = """\
- ±: standard deviation over seeds (n - 1). Bold: the best mean, and all means within its standard deviation.
- s: seconds of training per epoch, and of training and tests; without the start of Python, with other runs in
  parallel."""


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        title: The title.
        value: Return the number of a result; None: the result has none.
        is_score: Whether higher numbers are better; the best ones are then bold.
        digits: The number of decimals.
    """

    title: str
    value: Callable[[Result], float | None]
    is_score: bool = True
    digits: int = 3


def columns(epochs: int) -> list[Column]:
    """Return all columns; ``epochs`` is the number of epochs of each method.

    >>> [column.title for column in columns(epochs=30)][:3]
    ['NMI: video', 'NMI: audio', 'NMI: both']
    """
    return [
        *_by_source("NMI", "kmeans/nmi", ("video", "audio", "both")),
        *_by_source("k-NN", "knn_accuracy", ("video", "audio")),
        *_by_source("linear", "linear_accuracy", ("video", "audio", "both")),
        *_by_source("R@1", "recall@1", ("video", "audio")),
        Column("own clusters, NMI", lambda result: result.score("clusters", "nmi")),
        Column("cIoU", lambda result: result.score("localisation", "ciou_mean")),
        Column(
            "centred box, cIoU",
            lambda result: result.score("localisation", "ciou_centred_mean"),
            is_score=False,
        ),
        Column("s / epoch", lambda result: result.fit_seconds / epochs or None, is_score=False, digits=1),
        Column(
            "s in total", lambda result: result.fit_seconds + result.test_seconds, is_score=False, digits=1
        ),
    ]


def _by_source(title: str, name: str, sources: Sequence[str]) -> list[Column]:
    def column(source: str) -> Column:
        return Column(f"{title}: {source}", lambda result: result.score(FROZEN, name, source))

    return [column(source) for source in sources]


def write_table(
    out: Path,
    plan: Plan,
    methods: Sequence[Method],
    results: Results,
    failed: Mapping[str, Sequence[int]],
    command: Sequence[str],
) -> None:
    """Write ``table.md``.

    Args:
        out: The folder.
        plan: The comparison.
        methods: The rows.
        results: The results so far.
        failed: The seeds that failed, by the name of the method.
        command: The arguments of the last call.
    """
    table = markdown(
        {method.title: list(results[method.name].values()) for method in methods},
        {method.title: failed.get(method.name, []) for method in methods},
        columns(plan.epochs),
    )
    seeds = sorted({seed for each in results.values() for seed in each})
    call = shlex.join(["python", "-m", "unlabelled.commands.compare", *command])
    listed = ", ".join(map(str, seeds)) or "(none yet)"
    runs = f"- {plan.epochs} epochs of each method, seeds {listed}; last call: `{call}`."
    text = f"# Comparison\n\n{table}\n\n{plan.notes}\n{LEGEND}\n{runs}\n\n```\n{_environment()}\n```\n"
    write_atomically(str(out / "table.md"), lambda file: file.write(text.encode()))


def write_hparams(out: Path, plan: Plan, methods: Sequence[Method], results: Results) -> None:
    """Replace ``hparams/`` by the numbers of all runs, for TensorBoard's HParams."""
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(out / "hparams", ignore_errors=True)
    for method in methods:
        for seed, result in results[method.name].items():
            values = {f"compare/{each.title}": each.value(result) for each in columns(plan.epochs)}
            metrics = {title: value for title, value in values.items() if value is not None}
            with SummaryWriter(str(out / "hparams" / f"{method.name}-seed{seed}")) as writer:
                writer.add_hparams({"method": method.title, "seed": seed}, metrics, run_name=".")


@functools.cache
def _environment() -> str:
    return describe().strip()


def markdown(
    rows: Mapping[str, Sequence[Result]], failed: Mapping[str, Sequence[int]], shown: Sequence[Column]
) -> str:
    """Return the table in Markdown.

    Args:
        rows: The results of all seeds, by the title of the method.
        failed: The seeds that failed, by the title. The row names them, or the number of its seeds if other
            rows have more.
        shown: The columns.
    """
    values = {title: [_values(results, column) for column in shown] for title, results in rows.items()}
    best = [
        _threshold([row[position] for row in values.values()]) if column.is_score else None
        for position, column in enumerate(shown)
    ]
    lines = ["| method | " + " | ".join(column.title for column in shown) + " |"]
    lines.append("|---" * (len(shown) + 1) + "|")
    complete = max(map(len, rows.values()), default=0)
    for title, row in values.items():
        name = title + _remark(len(rows[title]), complete, failed.get(title, []))
        cells = [_cell(*each) for each in zip(row, best, shown, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _remark(seeds: int, complete: int, failed: Sequence[int]) -> str:
    if failed:
        return f" (failed: seed {', '.join(map(str, failed))})"
    return "" if seeds == complete else f" ({seeds} of {complete} seeds)"


def _values(results: Sequence[Result], column: Column) -> list[float]:
    found = [column.value(result) for result in results]
    return [value for value in found if value is not None]


def _threshold(values: Sequence[Sequence[float]]) -> float | None:
    """Return the best mean minus its standard deviation, from which on means are bold."""
    filled = [each for each in values if each]
    if not filled:
        return None
    best = max(filled, key=statistics.fmean)
    return statistics.fmean(best) - _deviation(best)


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _cell(values: Sequence[float], threshold: float | None, column: Column) -> str:
    if not values:
        return ""
    mean, digits = statistics.fmean(values), column.digits
    text = f"{mean:.{digits}f}"
    if len(values) > 1:
        text += f" ± {_deviation(values):.{digits}f}"
    return f"**{text}**" if threshold is not None and mean >= threshold else text
