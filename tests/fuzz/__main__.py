"""Print a table of the outcomes of mutated files: ``python -m tests.fuzz [--seed N] [--share 1.0]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.fuzz import media, tables, weights

Fuzz = Callable[[int, int, Path], Iterator[tuple[str, str]]]
KINDS: dict[str, tuple[Fuzz, int]] = {
    "media files": (media.fuzz, 2000),
    "tables (CSV, TSV, JSON lines)": (tables.fuzz, 200),
    "configurations (YAML)": (tables.fuzz_configurations, 200),
    "checkpoints": (weights.fuzz, 200),
}
ALLOWED = ("read", "refused")


def main() -> int:
    """Return 1 if a file had an outcome that is not allowed; such files are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the files")
    options = parser.parse_args()
    bad = []
    print("| files | number | outcomes | seconds |\n|---|---|---|---|")
    for title, (fuzz, number) in KINDS.items():
        folder, started = Path(tempfile.mkdtemp(prefix="fuzz-")), time.monotonic()
        found = list(fuzz(max(1, round(options.share * number)), options.seed, folder))
        counts = Counter(outcome for _, outcome in found).most_common()
        text = ", ".join(f"{outcome} {count}" for outcome, count in counts)
        print(f"| {title} | {len(found)} | {text} | {time.monotonic() - started:.0f} |", flush=True)
        bad += [f"{folder / name}: {each}" for name, each in found if not each.startswith(ALLOWED)]
    print("\n".join(bad))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
