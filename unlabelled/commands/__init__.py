"""Commands without Lightning, one module or folder each; ``errors`` words the messages of all commands."""
