"""``sweep``: run a grid of configurations, and write one table."""

from unlabelled.commands.sweep.main import main

__all__ = ["main"]
