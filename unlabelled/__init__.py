"""Learning from video, audio and text without labels: mathematics and data, without Lightning."""

__version__ = "0.2.0"
