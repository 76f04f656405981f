"""Read labels that were given by hand, and write those that were propagated."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from unlabelled.data.datasets.clip_names import seconds
from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.storage import write_atomically
from unlabelled.page.propagation import Propagated
from unlabelled.page.samples import Samples

_TRUE = ("true", "1", "yes")


def read_labels(path: Path, samples: Samples) -> tuple[list[str], list[str]]:
    """Return the given label of each sample, empty for none, and notes on rows that are not used.

    Args:
        path: A CSV file with the columns ``path`` and ``label``, and perhaps ``start``, ``end`` and ``junk``,
            as a page exports it. Paths are those of the page, or complete ones. Without a start all samples
            of a file have its label.
        samples: The samples of the page.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is missing.
    """
    rows_of: dict[str, list[int]] = {}
    for row, names in enumerate(zip(samples.names, samples.paths, strict=True)):
        for name in dict.fromkeys(names):
            rows_of.setdefault(name, []).append(row)
    labels, unknown = [""] * len(samples), []
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        for column in ("path", "label"):
            if column not in (reader.fieldnames or []):
                raise ValueError(f"{path}: the column {column!r} is missing; a page exports labels.csv")
        for line in reader:
            label = (line["label"] or "").strip()
            if not label or (line.get("junk") or "").lower() in _TRUE:
                continue
            rows = [row for row in rows_of.get(line["path"], []) if _is_span(line, samples, row)]
            if not rows:
                unknown.append(line["path"])
            for row in rows:
                labels[row] = label
    return labels, list_left_out({f"{path.name}: labels of no sample of the page:": unknown})


def _is_span(line: dict[str, str], samples: Samples, row: int) -> bool:
    start = line.get("start")
    try:
        return not start or abs(float(start) - samples.starts[row]) < 0.002
    except ValueError:
        return False


def write_labels(samples: Samples, found: Propagated, following: list[tuple[int, str]], folder: Path) -> None:
    """Write ``propagated.csv``, the label of each sample, and ``label_next.csv``."""
    texts = [*found.names, ""]
    table = [["path", "start", "end", "label", "confidence", "given"]]
    for row in range(len(samples)):
        given = "true" if found.given[row] >= 0 else "false"
        confidence = f"{found.confidences[row]:.4f}"
        table.append([*_span(samples, row), texts[found.labels[row]], confidence, given])
    _write(folder / "propagated.csv", table)
    table = [["path", "start", "end", "label", "propagated", "reason"]]
    table += [[*_span(samples, row), "", texts[found.labels[row]], reason] for row, reason in following]
    _write(folder / "label_next.csv", table)


def _span(samples: Samples, row: int) -> list[str]:
    end = samples.ends[row]
    return [samples.names[row], seconds(samples.starts[row]), "" if np.isnan(end) else seconds(end)]


def _write(path: Path, table: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    write_atomically(str(path), lambda file: file.write(text.getvalue().encode("utf-8", "surrogateescape")))
