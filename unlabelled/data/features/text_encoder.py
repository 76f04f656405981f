"""What turns a caption into vectors, one per word."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TextTokens(NamedTuple):
    """Vectors ``(w, dim)`` float32 of a text's first words, and how many words it has in all.

    Attributes:
        tokens: Of the words that are known, no more than were asked for.
        num_words: Words in the text.
        num_unknown: Those of them without a vector.
    """

    tokens: NDArray[np.float32]
    num_words: int
    num_unknown: int


class TextEncoder(ABC):
    """A frozen text encoder; pickles small, and may be forked."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of a vector."""

    @abstractmethod
    def open(self) -> None:
        """Find the file and prepare what is derived from it; cheap when done before.

        Raises:
            FileNotFoundError: There is no such file; says which.
            ValueError: It is damaged.
        """

    @abstractmethod
    def encode(self, text: str, max_words: int) -> TextTokens:
        """Return the vectors of the first ``max_words`` words of ``text`` that have one.

        Raises:
            DecodeError: What should be stored of this text is not.
        """
