"""``page``: the page of a run."""

from unlabelled.commands.page.main import main

__all__ = ["main"]
