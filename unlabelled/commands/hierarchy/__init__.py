"""The command that builds all hierarchies of one file of features, compares them and draws them."""

from unlabelled.commands.hierarchy.main import main

__all__ = ["main"]
