"""The samples of a page: the table and the features that ``predict`` has written."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlabelled.hierarchy.tree import Floats, Indices

_REQUIRED = ("path", "cluster", "confidence")


@dataclass(frozen=True, eq=False)
class Samples:
    """The n samples of a page.

    Args:
        paths: The file of each sample, or another name.
        starts: ``(n,)`` beginning in the file in seconds.
        ends: ``(n,)`` end in seconds; NaN: not known.
        splits: The split of each sample.
        labels: The name of the class of each sample; empty: none.
        clusters: ``(n,)`` the cluster that the method predicts.
        confidences: ``(n,)`` the confidence of the prediction.
        missing: The missing modalities of each sample, joined by ``+``.
    """

    paths: list[str]
    starts: Floats
    ends: Floats
    splits: list[str]
    labels: list[str]
    clusters: Indices
    confidences: Floats
    missing: list[str]

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def root(self) -> str:
        """The folder of all files; empty: the paths have none in common."""
        folders = {os.path.dirname(path) for path in self.paths}
        try:
            return os.path.commonpath(folders)
        except ValueError:  # absolute and relative paths, or no sample
            return ""

    @property
    def names(self) -> list[str]:
        """The paths relative to :attr:`root`, with forward slashes."""
        root = self.root
        relative = [os.path.relpath(path, root) if root else path for path in self.paths]
        return [name.replace(os.sep, "/") for name in relative]


def read_samples(table: Path) -> Samples:
    """Read ``predictions.csv`` of :class:`callbacks.ClusterPredictions`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It has no sample, lacks a column, or a number cannot be read.
    """
    with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        absent = [name for name in _REQUIRED if name not in (reader.fieldnames or [])]
        if absent:
            raise ValueError(f"{table}: the column {absent[0]!r} is missing; expected a table of predict")
        lines = list(reader)
    if not lines:
        raise ValueError(f"{table}: the table has no sample")
    return Samples(
        [line["path"] for line in lines],
        _numbers(table, lines, "start", 0.0),
        _numbers(table, lines, "end", np.nan),
        _texts(lines, "split"),
        _texts(lines, "label"),
        _numbers(table, lines, "cluster", np.nan).astype(np.int64),
        _numbers(table, lines, "confidence", np.nan),
        _texts(lines, "missing"),
    )


def _texts(lines: list[dict[str, str]], column: str) -> list[str]:
    return [line.get(column) or "" for line in lines]


def _numbers(table: Path, lines: list[dict[str, str]], column: str, absent: float) -> Floats:
    values = []
    for row, text in enumerate(_texts(lines, column), 2):
        try:
            values.append(float(text) if text else absent)
        except ValueError:
            raise ValueError(f"{table}, row {row}: the {column} is {text!r}, expected a number") from None
    numbers = np.array(values, dtype=np.float64)
    if column in _REQUIRED and not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0]) + 2
        raise ValueError(f"{table}, row {row}: the {column} is missing")
    return numbers


def read_features(folder: Path, paths: list[str]) -> dict[str, NDArray[np.float32]]:
    """Read ``features_<modality>.npy`` of :class:`callbacks.ExportFeatures`, without fused features.

    Args:
        folder: The folder of the arrays and of ``paths.txt``.
        paths: The paths of the samples, in the order of the table. Samples that could not be read are rows of
            NaN of the arrays, and no rows of the table.

    Returns: ``{modality: (n, D)}`` float32.

    Raises:
        ValueError: There is no array, or the arrays are those of other samples.
    """
    found: dict[str, NDArray[np.float32]] = {
        path.stem.removeprefix("features_"): np.load(path, allow_pickle=False)
        for path in sorted(folder.glob("features_*.npy"))
        if "+" not in path.stem
    }
    if not found:
        raise ValueError(
            f"{folder}: there are no features; predict writes them with callbacks.ExportFeatures"
        )
    readable = _readable(folder, found, paths)
    return {name: np.asarray(array[readable], np.float32) for name, array in found.items()}


def read_maps(folder: Path, paths: list[str]) -> NDArray[np.float32] | None:
    """Read the sound localisation maps ``(n, h, w)`` of :class:`callbacks.ExportFeatures`.

    Args:
        folder: As of :func:`read_features`.
        paths: As of :func:`read_features`.

    Returns: None: the method has none.
    """
    path = folder / "maps.npy"
    if not path.exists():
        return None
    features = {each.stem: np.load(each, mmap_mode="r") for each in sorted(folder.glob("features_*.npy"))}
    return np.asarray(np.load(path)[_readable(folder, features, paths)], np.float32)


def _readable(
    folder: Path, features: Mapping[str, NDArray[np.float32]], paths: list[str]
) -> NDArray[np.bool_]:
    """Return the mask of the rows that are the samples ``paths``."""
    names = (folder / "paths.txt").read_text("utf-8", "surrogateescape").split("\n")[:-1]
    readable: NDArray[np.bool_] = ~np.isnan(np.concatenate(list(features.values()), 1)).any(1)
    kept = [name for name, is_kept in zip(names, readable.tolist(), strict=True) if is_kept]
    if kept != paths:
        raise ValueError(
            f"{folder}: features of {len(kept)} samples, but the table has {len(paths)}, or other ones; "
            "let one call of predict write both"
        )
    return readable


def joint_features(features: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return unit vectors ``(n, D)``: all modalities, each normalised.

    A missing modality has a feature of zeros.

    >>> joint_features({"video": np.array([[3, 0]], np.float32), "audio": np.zeros((1, 1), np.float32)})
    array([[1., 0., 0.]], dtype=float32)
    """
    return _unit(np.concatenate([_unit(feature) for feature in features.values()], 1))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1), np.float32)
