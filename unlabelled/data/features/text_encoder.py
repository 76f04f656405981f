"""Interface of text encoders, which map a caption to one vector per word."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TextTokens(NamedTuple):
    """Vectors of the first words of a text, and numbers of its words.

    Attributes:
        tokens: Vectors of the first known words ``(w, dim)`` float32, at most ``max_words``.
        num_words: Number of words in the text.
        num_unknown: Number of words without a vector.
    """

    tokens: NDArray[np.float32]
    num_words: int
    num_unknown: int


class TextEncoder(ABC):
    """A frozen text encoder; it may be pickled, without its vectors, and forked."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of a vector."""

    @abstractmethod
    def open(self) -> None:
        """Find the file and write files derived from it; repeated calls are fast.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is damaged.
        """

    @abstractmethod
    def encode(self, text: str, max_words: int) -> TextTokens:
        """Return the vectors of the first ``max_words`` words of ``text`` that have one.

        Raises:
            DecodeError: The features of this text are not stored.
        """
