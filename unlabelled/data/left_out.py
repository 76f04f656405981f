"""Summaries of the samples that are left out, for messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAX_NAMES = 5
"""Number of names in a summary, per reason."""


def list_left_out(names: Mapping[str, Sequence[str]], counts: Mapping[str, int] | None = None) -> list[str]:
    """Return one text per reason: the number of names and the first five of them.

    Args:
        names: Names by reason; reasons without names are skipped.
        counts: Numbers of names, if ``names`` are not all of them.

    Example:
        >>> list_left_out({"missing": ["a.mp4", "b.mp4"], "truncated": []})
        ['missing 2 (a.mp4, b.mp4)']
        >>> list_left_out({"missing": list("abcdefg")})
        ['missing 7 (a, b, c, d, e, … and 2 more)']
    """
    texts = []
    for reason, found in names.items():
        count, first = (counts or {}).get(reason, len(found)), ", ".join(found[:MAX_NAMES])
        more = f", … and {count - MAX_NAMES} more" if count > MAX_NAMES else ""
        if found:
            texts.append(f"{reason} {count} ({first}{more})")
    return texts
