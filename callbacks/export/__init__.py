"""Callbacks of ``predict``: encoders, features and clusters for other programs."""
