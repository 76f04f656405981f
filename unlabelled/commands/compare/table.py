"""The table of a comparison, as Markdown: mean and standard deviation over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from unlabelled.commands.compare.plan import FROZEN
from unlabelled.commands.compare.results import Result

SOURCES = {"sight": "video", "sound": "audio", "both": "both"}


@dataclass(frozen=True)
class Column:
    """One number of a result.

    Args:
        title: What the table calls it.
        value: Takes it out of a result; None where it does not apply.
        is_score: Whether it tells methods apart, more being better, so that the best are to be seen.
        digits: After the point.
    """

    title: str
    value: Callable[[Result], float | None]
    is_score: bool = True
    digits: int = 3


def columns(epochs: int) -> list[Column]:
    """Return those of the table; ``epochs`` is how many each method trained for."""
    return [
        *_by_source("NMI", "kmeans/nmi", ("sight", "sound", "both")),
        *_by_source("k-NN", "knn_accuracy", ("sight", "sound")),
        *_by_source("linear", "linear_accuracy", ("sight", "sound", "both")),
        *_by_source("R@1", "recall@1", ("sight", "sound")),
        Column("own clusters, NMI", lambda result: result.score("clusters", "nmi")),
        Column("cIoU", lambda result: result.score("places", "ciou_mean")),
        Column(
            "centred box, cIoU", lambda result: result.score("places", "ciou_centred_mean"), is_score=False
        ),
        Column("s / epoch", lambda result: result.fit_seconds / epochs or None, is_score=False, digits=1),
        Column("s in all", lambda result: result.fit_seconds + result.test_seconds, is_score=False, digits=1),
    ]


def markdown(
    rows: Mapping[str, Sequence[Result]], failed: Mapping[str, Sequence[int]], shown: Sequence[Column]
) -> str:
    """Return the table.

    Args:
        rows: By the method's title the results of its seeds.
        failed: By the title the seeds that failed; the row says so, or that it has fewer seeds than others.
        shown: The columns.
    """
    cells = {title: [_values(results, column) for column in shown] for title, results in rows.items()}
    best = [
        _threshold([values[place] for values in cells.values()]) if column.is_score else None
        for place, column in enumerate(shown)
    ]
    lines = ["| method | " + " | ".join(column.title for column in shown) + " |"]
    lines.append("|---" * (len(shown) + 1) + "|")
    complete = max(map(len, rows.values()), default=0)
    for title, values in cells.items():
        name = title + _remark(len(rows[title]), complete, failed.get(title, []))
        row = [
            _cell(*each, column) for each, column in zip(zip(values, best, strict=True), shown, strict=True)
        ]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _remark(seeds: int, complete: int, failed: Sequence[int]) -> str:
    if failed:
        return f" (failed: seed {', '.join(map(str, failed))})"
    return "" if seeds == complete else f" ({seeds} of {complete} seeds)"


def _by_source(title: str, name: str, sources: Sequence[str]) -> list[Column]:
    def column(source: str) -> Column:
        return Column(f"{title}: {source}", lambda result: result.score(FROZEN, name, SOURCES[source]))

    return [column(source) for source in sources]


def _values(results: Sequence[Result], column: Column) -> list[float]:
    found = [column.value(result) for result in results]
    return [value for value in found if value is not None]


def _threshold(values: Sequence[Sequence[float]]) -> float | None:
    """Return the best mean less its standard deviation."""
    filled = [each for each in values if each]
    if not filled:
        return None
    best = max(filled, key=statistics.fmean)
    return statistics.fmean(best) - _deviation(best)


def _deviation(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _cell(values: Sequence[float], best: float | None, column: Column) -> str:
    if not values:
        return ""
    mean, digits = statistics.fmean(values), column.digits
    text = f"{mean:.{digits}f}"
    if len(values) > 1:
        text += f" ± {_deviation(values):.{digits}f}"
    return f"**{text}**" if best is not None and mean >= best else text
