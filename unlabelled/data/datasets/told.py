"""Lists of names in messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def told(names: Mapping[str, Sequence[str]], shown: int = 5) -> list[str]:
    """Return how many names there are for each reason, and some of them; nothing, where there are none."""
    return [
        f"{reason} {len(found)} ({', '.join(found[:shown])}"
        + (f", … and {len(found) - shown} more)" if len(found) > shown else ")")
        for reason, found in names.items()
        if found
    ]
