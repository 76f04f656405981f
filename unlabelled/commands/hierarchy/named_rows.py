"""The rows of the input with their names and labels, which a table of text can hold itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unlabelled.commands.hierarchy.csv_table import read_csv
from unlabelled.commands.hierarchy.inputs import checked_features, read_features, read_lines
from unlabelled.commands.hierarchy.pre_clusters import Rows

logger = logging.getLogger(__name__)
TEXT_SUFFIXES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, eq=False)
class NamedRows:
    """Rows, and a name and a label of each.

    Args:
        rows: ``(n, d)`` features, or ``(n, n)`` similarities.
        names: ``(n,)``; None: the rows have no names.
        labels: ``(n,)``; None: the rows have no labels.
    """

    rows: Rows
    names: list[str] | None = None
    labels: list[str] | None = None

    @classmethod
    def read(
        cls, path: str, key: str | None = None, names: str | None = None, labels: str | None = None
    ) -> NamedRows:
        """Read a file of numbers.

        Args:
            path: The file.
            key: The array of a file with several.
            names: A file with a name per row or, of a table of text, a column.
            labels: The same for labels.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: A file cannot be read, or has other content.
        """
        if Path(path).suffix.lower() not in TEXT_SUFFIXES:
            rows = read_features(path, key)
            return cls(rows, *(read_lines(file, len(rows)) if file else None for file in (names, labels)))
        if key is not None:
            raise ValueError(f"{path}: has no --key {key!r}; a table of text is one array")
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no file {path}")
        columns = [name for name in (names, labels) if name and not Path(name).is_file()]
        table = read_csv(path, columns)
        rows = checked_features(path, table.numbers)

        def lines(source: str) -> list[str]:
            return table.texts[source] if source in columns else read_lines(source, len(rows))

        return cls(rows, lines(names) if names else table.names, lines(labels) if labels else None)


def checked_similarity(path: str, matrix: Rows) -> Rows:
    """Return similarities ``(n, n)``, divided by the largest one if it is above 1.

    Raises:
        ValueError: The matrix is not square or not symmetric.
    """
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"{path}: a similarity matrix is square, this array is {matrix.shape[0]} x {matrix.shape[1]}"
        )
    gaps = np.abs(matrix - matrix.T)
    if not np.allclose(matrix, matrix.T, rtol=1e-5, atol=1e-8):
        row, column = np.unravel_index(int(gaps.argmax()), gaps.shape)
        raise ValueError(
            f"{path}: the similarity is not symmetric: {matrix[row, column]:g} at row {row}, column {column} "
            f"(from 0), {matrix[column, row]:g} the other way; write (w + w.T) / 2 if that is meant"
        )
    others = matrix[~np.eye(len(matrix), dtype=bool)]
    if np.diag(matrix).max() <= others.min() and others.max() > others.min():
        logger.warning(
            "%s: rows are less similar to themselves than to all others; are these distances?", path
        )
    if others.max() <= 1:
        return matrix
    logger.warning("%s: divided by the largest similarity, %g; costs are divided, too", path, others.max())
    scaled: Rows = matrix / others.max()
    return scaled
