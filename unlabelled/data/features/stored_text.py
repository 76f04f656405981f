"""Pre-extracted text features, such as those of CLIP, looked up by text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.column_format import ragged, text
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.features.text_encoder import TextEncoder, TextTokens
from unlabelled.data.media.reader import DecodeError


class StoredTextFeatures(TextEncoder):
    """Features of whole captions, one vector per word (or sub-word) in its context.

    A text of white space alone has no features. CLIP: 512 numbers per token, after the
    text projection, without start and end tokens.

    Args:
        path: Table written by :func:`write_text_features`.

    Source: SSPC supplement, section 1.3; ninatu/everything_at_once, everything_at_once/trainer/clip_utils.py;
    docs/methods/sspc.md#features.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._table: ColumnTable | None = None

    def __reduce__(self) -> tuple[type[StoredTextFeatures], tuple[str]]:
        return StoredTextFeatures, (self.path,)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        return self._opened().columns["features"].shape[0]

    def open(self) -> None:
        """Map the table; see :meth:`TextEncoder.open`."""
        self._opened()

    def encode(self, text: str, max_words: int) -> TextTokens:
        """Return the stored vectors of a text."""
        table = self._opened()
        if not text.strip():
            return TextTokens(np.empty((0, self.dim), np.float32), 0, 0)
        row = int(table.find("text", [text])[0])
        if row < 0:
            raise DecodeError(
                self.path, f"has no features of the text {text!r}; add them with write_text_features"
            )
        features = table.ragged("features")[row]
        return TextTokens(features[:max_words].astype(np.float32), len(features), 0)

    def _opened(self) -> ColumnTable:
        if self._table is None:
            self._table = ColumnTable(self.path)
        return self._table


def write_text_features(path: str, dim: int, features: Iterable[tuple[str, NDArray[np.floating]]]) -> None:
    """Write a table of text features, float16.

    Args:
        path: The folder to write.
        dim: Width of the vectors.
        features: Each text once, and its vectors ``(words, dim)``.
    """
    with ColumnWriter(path, {"text": text(key=True), "features": ragged("f2", dim)}) as writer:
        for caption, vectors in features:
            writer.append({"text": caption, "features": vectors})
