"""Pre-extracted features on disk: safe columnar files, word vectors, HowTo100M's layout, clips as tensors."""

from unlabelled.data.features.stored_text import StoredTextFeatures
from unlabelled.data.features.word_vectors import WordVectors

__all__ = ["StoredTextFeatures", "WordVectors"]
