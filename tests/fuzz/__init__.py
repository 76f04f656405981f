"""Mutated files: none may crash or hang a process, run code, or be read as something else without a word."""
