"""Spoken captions and word vectors with the conventions of HowTo100M and word2vec."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.word_vectors import words_of, write_word2vec
from unlabelled.seeding import numpy_generator

WITHOUT_VECTOR = frozenset({"a", "and", "of", "to"})
"""Words that the published GoogleNews vectors lack (docs/methods/sspc.md#features)."""

_STOP_WORDS = (
    "a again after and as at be before by can down has in is it its of on that the to up we while with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""English stop words that occur in the embedded captions."""

_SPREAD = 0.13  # standard deviation of a component, as in GoogleNews
_OWN = 0.3  # difference of a capitalised word, relative to the standard deviation


def spoken(caption: str) -> str:
    """Return a caption in the format of HowTo100M's captions: lower case, no stop words, no punctuation."""
    return " ".join(word for word in words_of(caption.lower()) if word not in STOP_WORDS)


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Return the sorted words of texts that get a vector; capitalised words are separate entries."""
    words = {word for text in texts for word in words_of(text)}
    return sorted(word for word in words if word.lower() not in WITHOUT_VECTOR)


def word_vector(seed: int, word: str, dim: int) -> NDArray[np.float64]:
    """Draw the vector ``(dim,)`` of a word; a word and its capitalised form have similar vectors."""
    vector = numpy_generator(seed, "word", word.lower()).normal(0, _SPREAD, dim)
    if word != word.lower():
        vector += _OWN * numpy_generator(seed, "word", word).normal(0, _SPREAD, dim)
    return vector


def write_vocabulary(path: str, seed: int, texts: Iterable[str], dim: int) -> None:
    """Write the vectors of all words of texts in word2vec's binary format."""
    words = vocabulary(texts)
    write_word2vec(path, words, np.stack([word_vector(seed, word, dim) for word in words]))
