"""Names of the columns of a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnNames:
    """Columns of a table, named as the keys of the published pickles (docs/methods/sspc.md#retrieval-sets).

    Attributes:
        identifier: Identifier of the video, text.
        rows_2d: Features of frames ``(n, dim)``.
        rows_3d: Features of chunks of frames; the column is optional.
        audio: Spectrogram, time first ``(frames, 40)``; the column is optional.
        has_audio: Whether ``audio`` is audio, not zeros; without such a column all videos have audio.
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
        column: Features ``(n, dim)``, which take the place of the 2D ones; the 3D ones are left out.
    """

    table: str
    column: str = "clip"
