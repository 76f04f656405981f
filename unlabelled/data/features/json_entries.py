"""Reads a huge JSON object entry by entry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

_BLOCK = 1 << 20
_UNDECIDED = 3  # with fewer characters behind it, as in `1` and `e+`, a number may go on in the next block
_SPACE = re.compile(r"[ \t\r\n]*")


def json_entries(file: TextIO, name: str, block: int = _BLOCK) -> Iterator[tuple[str, Any]]:
    """Yield the entries of the JSON object in ``file``, one after the other, in bounded memory.

    Args:
        file: Holds one object.
        name: Of the file, for messages.
        block: Characters that are read at once; as many as the longest entry has are in memory.

    Raises:
        ValueError: It holds something else, or is damaged.
    """
    text = _Text(file, name, block)
    text.expect("{")
    if text.peek() == "}":
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise text.error("expected a name in quotes")
        text.expect(":")
        yield key, text.value()
        if text.peek() == "}":
            return
        text.expect(",")


class _Text:
    """What has been read of a file and not been used yet."""

    def __init__(self, file: TextIO, name: str, block: int) -> None:
        self._file, self._name, self._block = file, name, block
        self._text, self._place, self._before, self._at_end = "", 0, 0, False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """Return the next character that is no white space, without going past it; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._place)
            self._place = match.end() if match else self._place
            if self._place < len(self._text) or self._at_end:
                return self._text[self._place : self._place + 1]
            self._more()

    def expect(self, sign: str) -> None:
        """Go past ``sign``."""
        if self.peek() != sign:
            raise self.error(f"expected {sign!r}, found {self.peek()!r}")
        self._place += 1

    def value(self) -> Any:
        """Go past a whole value, and return it."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._place)
            except ValueError as error:
                if self._at_end:
                    raise self.error(str(error)) from error
                self._more()
                continue
            if len(self._text) - end >= _UNDECIDED or self._at_end:
                self._place = end
                return value
            self._more()

    def error(self, reason: str) -> ValueError:
        """Return the error that names file and place."""
        return ValueError(f"{self._name}, character {self._before + self._place}: {reason}")

    def _more(self) -> None:
        """Read on, at least as much as there is, so that long values are not tried too often."""
        rest = self._text[self._place :]
        more = self._file.read(max(self._block, len(rest)))
        self._before += self._place
        self._text, self._place, self._at_end = rest + more, 0, not more
