"""``discover``: from a folder without labels to a page that shows what is in it."""

from unlabelled.commands.discover.main import main

__all__ = ["main"]
