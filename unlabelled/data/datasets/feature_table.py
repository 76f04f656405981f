"""Tables of pre-extracted features, one row per video, as converted from published pickles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.features.tokens import Rows
from unlabelled.data.left_out import list_left_out
from unlabelled.pipelines.features import FeaturePipeline, RawClip


@dataclass(frozen=True)
class ColumnNames:
    """Columns of a table, named as the keys of the published pickles (docs/methods/sspc.md#retrieval-sets).

    Attributes:
        identifier: Identifier of the video, text or number.
        rows_2d: Features of frames ``(n, dim)``.
        rows_3d: Features of chunks of frames; the column is optional.
        audio: Spectrogram, time first ``(frames, 40)``; the column is optional.
        has_audio: False for videos whose ``audio`` is zeros; if the column is absent, all videos have audio.
        caption: One text, or a list of texts.
    """

    identifier: str = "id"
    rows_2d: str = "2d"
    rows_3d: str = "3d"
    audio: str = "audio"
    has_audio: str = "has_audio"
    caption: str = "caption"


PUBLISHED = ColumnNames()


@dataclass(frozen=True)
class OtherFeatures:
    """Features to use instead, from a table of the same videos in the same order (CLIP, S3D).

    Attributes:
        table: Folder of the table.
        column: Features ``(n, dim)`` that replace the 2D features; 3D features are not used.
    """

    table: str
    column: str = "clip"


class FeatureTable:
    """The videos of a table that have all their features.

    The lengths of the columns identify them; no features are read. Videos without audio are kept.

    Args:
        path: Folder of the table; ``python -m unlabelled convert`` makes it from a published pickle.
        names: Columns of the table.
        other: Other features to use. Videos without 2D or 3D features in ``path`` are left out as well, so
            that all methods are evaluated on the same videos (docs/methods/sspc.md#retrieval-sets).
        captioned: Leave out videos without a caption.

    Attributes:
        rows: Rows of the table that are used ``(N,)``.
        left_out: Identifiers of the other videos, by reason.
        silent: Identifiers of videos without audio, if others have audio.

    Raises:
        FileNotFoundError: There is no such table.
        ValueError: ``other`` has another number of videos, or other identifiers.
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
        self._has_audio = self._rows_with_audio()
        self.rows, self.left_out = self._choose(captioned)
        silent = self.rows[~self._has_audio[self.rows]] if self._has_audio.any() else self.rows[:0]
        self.silent = [self._identifier(row) for row in silent.tolist()]

    def __len__(self) -> int:
        return len(self.rows)

    def identifier(self, index: int) -> str:
        """Return the identifier of one of the used videos."""
        return self._identifier(int(self.rows[index]))

    def captions(self, index: int) -> list[str]:
        """Return the captions of one of the used videos."""
        return self._captions(int(self.rows[index]))

    def _check_order(self) -> None:
        """Compare the identifiers if the other features have any; otherwise the same order is assumed."""
        column = self.names.identifier
        if self._other is None or column not in self._other.columns:
            return
        own, others = self.table.text(column), self._other.text(column)
        for row in range(len(self.table)):
            if own[row] != others[row]:
                raise ValueError(
                    f"{self._other.path} has video {others[row]!r} in row {row}, but {self.table.path} has "
                    f"{own[row]!r}; expected the same videos in the same order"
                )

    def check(self, pipeline: FeaturePipeline) -> None:
        """Check that the features have the widths that a pipeline requires.

        Raises:
            ValueError: The widths differ, or there are no 3D features.
        """
        columns = self._columns()
        for part, stream in (("rows_2d", pipeline.stream_2d), ("rows_3d", pipeline.stream_3d)):
            if stream is None:
                continue
            if part not in columns:
                raise ValueError(
                    f"{self.table.path} has no {part}, but the pipeline's stream_{part[-2:]} is not null; "
                    "set it to null, or use another table"
                )
            table, column = columns[part]
            width = table.columns[column].shape[-1]
            if width != stream.dim:
                raise ValueError(
                    f"{table.path}[{column}] has features of width {width}, but the pipeline's "
                    f"stream_{part[-2:]} expects {stream.dim}"
                )

    def clip(self, index: int, texts: Sequence[str] = ()) -> RawClip:
        """Return one of the used videos from its beginning to its end, with texts."""
        row, name, columns = int(self.rows[index]), self.identifier(index), self._columns()
        if self._has_audio[row]:
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
        """Return one line: the numbers of used and left out videos, with reasons and five names each."""
        notes = {**self.left_out, "without audio, but kept": self.silent}
        return "; ".join([f"{len(self)} of {len(self.table)} videos", *list_left_out(notes)])

    def _columns(self) -> dict[str, tuple[ColumnTable, str]]:
        """Return the table and the column of each visual part."""
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
            captions = [any(map(str.strip, self._captions(row))) for row in range(len(self.table))]
            needed["a caption"] = np.array(captions, dtype=bool)
        usable, left_out = np.ones(len(self.table), bool), {}
        for part, present in needed.items():
            left_out[f"without {part}"] = [
                self._identifier(row) for row in np.nonzero(usable & ~present)[0].tolist()
            ]
            usable &= present
        return np.nonzero(usable)[0], left_out

    def _rows_with_audio(self) -> NDArray[np.bool_]:
        """Return ``(rows of the table,)``, true for rows with audio."""
        columns = self.table.columns
        if self.names.audio not in columns:
            return np.zeros(len(self.table), bool)
        present: NDArray[np.bool_] = self._lengths(self.names.audio) > 0
        if self.names.has_audio in columns:
            present = present & (self.table.scalars(self.names.has_audio).reshape(-1) != 0)
        return present

    def _identifier(self, row: int) -> str:
        column = self.names.identifier
        if self.table.columns[column].kind == "scalar":  # in some tables the identifiers are numbers
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
