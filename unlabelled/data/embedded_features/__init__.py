"""The embedded feature data set: HowTo100M in small, made of the embedded clips, to try everything on."""

from .writer import write_embedded_features

__all__ = ["write_embedded_features"]
