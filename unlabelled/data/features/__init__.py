"""Pre-extracted features on disk: safe columnar files, word vectors, HowTo100M's layout, clips as tensors."""
