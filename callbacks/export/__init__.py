"""Callbacks of ``predict``, which write encoders, features and clusters for other programs."""
