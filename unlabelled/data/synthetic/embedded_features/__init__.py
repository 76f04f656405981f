"""The embedded feature data set: features of embedded clips in HowTo100M's layout."""

from unlabelled.data.synthetic.embedded_features.evaluation_sets import EmbeddedScenes, EmbeddedVideos
from unlabelled.data.synthetic.embedded_features.writer import write_embedded_features

__all__ = ["EmbeddedScenes", "EmbeddedVideos", "write_embedded_features"]
