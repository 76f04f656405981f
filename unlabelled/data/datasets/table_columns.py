"""Which columns of a table are what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnNames:
    """Columns of a table, called like the published pickles' keys (reference sspc.md section 3.1).

    Attributes:
        identifier: Of the video, text.
        rows_2d: Its features of frames ``(n, dim)``.
        rows_3d: Its features of chunks; a table without such a column has none.
        audio: Its spectrogram, by time ``(frames, 40)``; likewise.
        has_audio: Whether ``audio`` is sound, not zeros; a table without such a column has sound everywhere.
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
