"""``python -m unlabelled.hierarchy FEATURES``: all hierarchies of a file of features, compared."""

from __future__ import annotations

import sys

from unlabelled.commands.hierarchy import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
