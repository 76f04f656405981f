"""Pictures of what was learned, as matplotlib figures that need no display."""
