"""Many strings in two arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


class Strings(Sequence[str]):
    """Strings as one buffer of bytes and the end of each: 8 bytes a string besides its text.

    Each worker would get a copy of a list of Python strings, as reference counts are written to their memory.

    Args:
        strings: The strings, which :meth:`__getitem__` returns by their number.

    Attributes:
        text: ``(bytes,)`` uint8, the strings one after the other in UTF-8.
        ends: ``(strings,)`` int64, the end of each in ``text``.
    """

    def __init__(self, strings: Iterable[str] = ()) -> None:
        text, ends = bytearray(), array("q")
        for string in strings:
            text += string.encode("utf-8", "surrogateescape")
            ends.append(len(text))
        self.text: NDArray[np.uint8] = np.frombuffer(text, np.uint8)
        self.ends: NDArray[np.int64] = np.frombuffer(ends, np.int64)

    @classmethod
    def of(cls, text: NDArray[Any], ends: NDArray[Any]) -> Strings:
        """Return the strings of existing arrays, which may be memory-mapped."""
        strings = cls()
        strings.text, strings.ends = text, ends
        return strings

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(len(self)))]
        row = row + len(self) if row < 0 else row
        start = int(self.ends[row - 1]) if row > 0 else 0
        return self.text[start : int(self.ends[row])].tobytes().decode("utf-8", "surrogateescape")
