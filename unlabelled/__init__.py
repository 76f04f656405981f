"""Learning from video, sound and text without labels: the mathematics and the data, without Lightning."""

__version__ = "0.1.0"
