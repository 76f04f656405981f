"""Callbacks that draw figures into TensorBoard and PNG files."""
