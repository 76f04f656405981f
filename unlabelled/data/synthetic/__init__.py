"""Data sets that this package generates."""
