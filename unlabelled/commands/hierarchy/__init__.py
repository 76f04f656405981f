"""The command that builds hierarchies of a file of features by all methods, compares and draws them."""

from unlabelled.commands.hierarchy.main import main

__all__ = ["main"]
