"""Tables of pre-extracted features, one row per video, as converted from published pickles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.datasets.table_columns import PUBLISHED, ColumnNames, OtherFeatures
from unlabelled.data.datasets.told import told
from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.features.tokens import Rows
from unlabelled.pipelines.features import FeaturePipeline, RawClip


class FeatureTable:
    """The videos of a table that have all their features.

    They are found from the lengths of the columns alone, without reading features. A video without audio is
    kept.

    Args:
        path: Folder of the table; ``python -m unlabelled convert`` makes it from a published pickle.
        names: Its columns.
        other: Other features to use. Videos without 2D or 3D features in ``path`` are left out as well, so
            that all methods are evaluated on the same videos (docs/methods/sspc.md#retrieval-sets).
        captioned: Leave out videos without a caption.

    Attributes:
        rows: Rows of the table that are used ``(N,)``.
        left_out: Identifiers of the others, by reason.
        silent: Identifiers of videos without audio, if others have audio.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: ``other`` has more or fewer videos, or, where it names them, others.
        KeyError: A column is missing.
    """

    def __init__(
        self,
        path: str,
        names: ColumnNames = PUBLISHED,
        other: OtherFeatures | None = None,
        captioned: bool = False,
    ) -> None:
        self.names, self.other = names, other
        self.table = _opened(path)
        self._other = _opened(other.table) if other is not None else None
        if self._other is not None and len(self._other) != len(self.table):
            raise ValueError(
                f"{self._other.path} has {len(self._other)} videos, but {path} has {len(self.table)}; "
                "expected the same ones in the same order"
            )
        self._check_order()
        self._has_3d = names.rows_3d in self.table.columns
        self._sounds = self._sounding()
        self.rows, self.left_out = self._choose(captioned)
        quiet = self.rows[~self._sounds[self.rows]] if self._sounds.any() else self.rows[:0]
        self.silent = [self._identifier(row) for row in quiet.tolist()]

    def __len__(self) -> int:
        return len(self.rows)

    def identifier(self, place: int) -> str:
        """Return what one of the videos is called."""
        return self._identifier(int(self.rows[place]))

    def captions(self, place: int) -> list[str]:
        """Return the captions of one of the videos."""
        return self._captions(int(self.rows[place]))

    def _check_order(self) -> None:
        """Compare the identifiers, where the other features have any; else their order is trusted."""
        column = self.names.identifier
        if self._other is None or column not in self._other.columns:
            return
        mine, others = self.table.text(column), self._other.text(column)
        for row in range(len(self.table)):
            if mine[row] != others[row]:
                raise ValueError(
                    f"{self._other.path} has video {others[row]!r} in row {row}, but {self.table.path} has "
                    f"{mine[row]!r}; expected the same videos in the same order"
                )

    def check(self, pipeline: FeaturePipeline) -> None:
        """Look whether the features are those that a pipeline makes tensors of.

        Raises:
            ValueError: They are of another width, or there are no 3D features.
        """
        columns = self._columns()
        for part, stream in (("rows_2d", pipeline.stream_2d), ("rows_3d", pipeline.stream_3d)):
            if stream is None:
                continue
            if part not in columns:
                raise ValueError(
                    f"{self.table.path} has no {part} to use, but the pipeline's stream_{part[-2:]} is not null; "
                    "set it to null, or use another table"
                )
            table, column = columns[part]
            width = table.columns[column].shape[-1]
            if width != stream.dim:
                raise ValueError(
                    f"{table.path}[{column}] has features of {width} numbers, but the pipeline's "
                    f"stream_{part[-2:]} expects {stream.dim}"
                )

    def clip(self, place: int, texts: Sequence[str] = ()) -> RawClip:
        """Return a video from its beginning to its end, with some texts."""
        row, name, columns = int(self.rows[place]), self.identifier(place), self._columns()
        if self._sounds[row]:
            columns["spectrogram"] = (self.table, self.names.audio)
        arrays: dict[str, Rows] = {part: t.ragged(column)[row] for part, (t, column) in columns.items()}
        if "spectrogram" in arrays:
            arrays["spectrogram"] = arrays["spectrogram"].T
        sources = {part: f"{t.path}[{column}], {name}" for part, (t, column) in columns.items()}
        return RawClip(
            name,
            texts,
            rows_2d=arrays.get("rows_2d"),
            rows_3d=arrays.get("rows_3d"),
            spectrogram=arrays.get("spectrogram"),
            sources=sources,
        )

    def summary(self) -> str:
        """One line: how many videos there are, and which are not and why, five names a reason."""
        notes = {**self.left_out, "without sound, but kept": self.silent}
        return "; ".join([f"{len(self)} of {len(self.table)} videos", *told(notes)])

    def _columns(self) -> dict[str, tuple[ColumnTable, str]]:
        """Return where the pictures' features are."""
        if self.other is not None and self._other is not None:
            return {"rows_2d": (self._other, self.other.column)}
        columns = {"rows_2d": (self.table, self.names.rows_2d)}
        return {**columns, "rows_3d": (self.table, self.names.rows_3d)} if self._has_3d else columns

    def _choose(self, captioned: bool) -> tuple[NDArray[np.int64], dict[str, list[str]]]:
        needed = {"2D features": self._lengths(self.names.rows_2d) > 0}
        if self._has_3d:
            needed["3D features"] = self._lengths(self.names.rows_3d) > 0
        if self.other is not None and self._other is not None:
            needed[f"{self.other.column} features"] = self._other.ragged(self.other.column).lengths() > 0
        if captioned:
            said = [any(map(str.strip, self._captions(row))) for row in range(len(self.table))]
            needed["a caption"] = np.array(said, dtype=bool)
        good, left_out = np.ones(len(self.table), bool), {}
        for part, there in needed.items():
            left_out[f"without {part}"] = [
                self._identifier(row) for row in np.nonzero(good & ~there)[0].tolist()
            ]
            good &= there
        return np.nonzero(good)[0], left_out

    def _sounding(self) -> NDArray[np.bool_]:
        """Return which rows have sound ``(rows of the table,)``."""
        columns = self.table.columns
        if self.names.audio not in columns:
            return np.zeros(len(self.table), bool)
        sounds: NDArray[np.bool_] = self._lengths(self.names.audio) > 0
        if self.names.has_audio in columns:
            sounds = sounds & (self.table.scalars(self.names.has_audio).reshape(-1) != 0)
        return sounds

    def _identifier(self, row: int) -> str:
        column = self.names.identifier
        if self.table.columns[column].kind == "scalar":  # some number their videos
            return str(self.table.scalars(column)[row])
        return self.table.text(column)[row]

    def _lengths(self, column: str) -> NDArray[np.int64]:
        return self.table.ragged(column).lengths()

    def _captions(self, row: int) -> list[str]:
        column = self.names.caption
        if self.table.columns[column].kind == "texts":
            return self.table.texts(column)[row]
        return [self.table.text(column)[row]]


def _opened(path: str) -> ColumnTable:
    try:
        return ColumnTable(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there is no table of features in {path}; make it with `python -m unlabelled convert` from the "
            "published pickle"
        ) from error
