"""``python -m unlabelled.commands.compare``: train and evaluate all methods, and write one table."""

from __future__ import annotations

import sys

from unlabelled.commands.compare.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
