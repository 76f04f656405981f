"""Text of lists in the encodings that editors and spreadsheets write."""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from pathlib import Path

_MARKS = (  # UTF-32 first, as its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_LINE_ENDS = re.compile(
    r"\r\n|\r|\n"
)  # str.splitlines also divides at U+2028 and others, which names may have
_SAMPLE = 512  # bytes


def read_text(path: str | Path) -> str:
    """Return the text of a list: UTF-8 with or without a byte order mark, UTF-16 or UTF-32.

    An encoding of single bytes, such as Latin-1, is refused: each has other letters for the same bytes.

    Raises:
        ValueError: The file has another encoding; the message names the file, the row and the byte.
    """
    raw = Path(path).read_bytes()
    encoding = _encoding(raw)
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        row = 1 + len(_LINE_ENDS.findall(raw[: error.start].decode(encoding, "replace")))
        wrong = f"byte 0x{raw[error.start]:02x} is not {encoding.removesuffix('-sig').upper()}"
        raise ValueError(
            f"{path}, row {row}: {wrong}; "
            "if the encoding is Latin-1 (Windows-1252), write the file again as UTF-8: "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW"
        ) from error


def encoding_of(path: str | Path) -> str:
    """Return the encoding of a text that is too large to be read at once, from its first bytes."""
    with open(path, "rb") as file:
        return _encoding(file.read(_SAMPLE))


def _encoding(raw: bytes) -> str:
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding
    even, odd = raw[:_SAMPLE:2], raw[1:_SAMPLE:2]  # UTF-16 without a mark: every second byte of ASCII is 0
    for zeros, encoding in ((odd, "utf-16-le"), (even, "utf-16-be")):
        if zeros and zeros.count(0) > len(zeros) / 2:
            return encoding
    return "utf-8"


def open_list(path: str | Path) -> io.StringIO:
    """Return the text of a list as a stream for ``csv``; see :func:`read_text`."""
    return io.StringIO(read_text(path), newline="")


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a list without their ends; see :func:`read_text`."""
    lines = _LINE_ENDS.split(read_text(path))
    return lines[:-1] if lines[-1] == "" else lines


def one_line(text: str) -> str:
    r"""Return a name in one line and one form: composed characters (NFC), single spaces.

    >>> one_line("cafe\u0301\n bar") == "caf\u00e9 bar"
    True
    """
    return unicodedata.normalize("NFC", " ".join(text.split()))
