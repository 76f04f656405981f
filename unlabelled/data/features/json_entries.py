"""Read a large JSON object entry by entry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

_BLOCK = 1 << 20
_UNDECIDED = 3  # a number followed by fewer characters, as in `1` and `e+`, may continue in the next block
_SPACE = re.compile(r"[ \t\r\n]*")


def json_entries(file: TextIO, name: str, block: int = _BLOCK) -> Iterator[tuple[str, Any]]:
    """Yield the entries of the JSON object in ``file``, in bounded memory.

    Args:
        file: File of one object.
        name: Name of the file, for messages.
        block: Number of characters that are read at once; the memory holds at least the longest entry.

    Raises:
        ValueError: It is not an object, or is damaged.
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
    """The part of a file that has been read and not been parsed."""

    def __init__(self, file: TextIO, name: str, block: int) -> None:
        self._file, self._name, self._block = file, name, block
        self._text, self._position, self._before, self._at_end = "", 0, 0, False
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """Return the next character that is not white space, without consuming it; empty at the end."""
        while True:
            match = _SPACE.match(self._text, self._position)
            self._position = match.end() if match else self._position
            if self._position < len(self._text) or self._at_end:
                return self._text[self._position : self._position + 1]
            self._read_more()

    def expect(self, sign: str) -> None:
        """Consume ``sign``."""
        if self.peek() != sign:
            raise self.error(f"expected {sign!r}, found {self.peek()!r}")
        self._position += 1

    def value(self) -> Any:
        """Consume and return a complete value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._position)
            except ValueError as error:
                if self._at_end:
                    raise self.error(str(error)) from error
                self._read_more()
                continue
            if len(self._text) - end >= _UNDECIDED or self._at_end:
                self._position = end
                return value
            self._read_more()

    def error(self, reason: str) -> ValueError:
        """Return an error with the file and the position."""
        return ValueError(f"{self._name}, character {self._before + self._position}: {reason}")

    def _read_more(self) -> None:
        """Read at least as many characters as are left, so that long values are not parsed too often."""
        rest = self._text[self._position :]
        more = self._file.read(max(self._block, len(rest)))
        self._before += self._position
        self._text, self._position, self._at_end = rest + more, 0, not more
