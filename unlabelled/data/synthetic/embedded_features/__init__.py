"""The embedded feature data set: HowTo100M in small, made of the embedded clips, to try everything on."""

from unlabelled.data.synthetic.embedded_features.evaluation_sets import EmbeddedFilms, EmbeddedScenes
from unlabelled.data.synthetic.embedded_features.writer import write_embedded_features

__all__ = ["EmbeddedFilms", "EmbeddedScenes", "write_embedded_features"]
