"""Pre-extracted features on disk: columnar files, word vectors, captions, sampling of clips."""

from unlabelled.data.features.stored_text import StoredTextFeatures
from unlabelled.data.features.word_vectors import WordVectors

__all__ = ["StoredTextFeatures", "WordVectors"]
