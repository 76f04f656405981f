"""Lists in the encodings that editors and spreadsheets write."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlabelled.data.lists import encoding_of, one_line, read_lines, read_text

TEXT = "café,1\nשל,2\r\n犬,3\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_encodings_of_unicode_are_recognised(encoding: str, tmp_path: Path) -> None:
    text = "path,label\n" + TEXT  # recognised without a mark by the zeros of ASCII
    content = text.encode(encoding)
    if encoding == "utf-32-be":
        content = "\ufeff".encode(encoding) + content
    (tmp_path / "a.csv").write_bytes(content)
    assert read_text(tmp_path / "a.csv").removeprefix("\ufeff") == text
    assert read_lines(tmp_path / "a.csv")[-3:] == ["café,1", "של,2", "犬,3"]
    with open(tmp_path / "a.csv", encoding=encoding_of(tmp_path / "a.csv"), newline="") as file:
        assert file.read().removeprefix("\ufeff") == text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_another_encoding_is_refused_with_file_row_and_byte(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("path,label\na.mp4,x\nb.mp4,café\n".encode(encoding))
    with pytest.raises(ValueError, match=r"a\.csv, row 3: byte 0xe9 is not UTF-8; .*Latin-1.*iconv") as error:
        read_text(tmp_path / "a.csv")
    assert "\n" not in str(error.value)


def test_lines_end_where_editors_end_them(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("a\u2028b\rc\r\n\nd\x0be".encode())
    assert read_lines(tmp_path / "a.txt") == ["a\u2028b", "c", "", "d\x0be"]
    (tmp_path / "a.txt").write_bytes(b"")
    assert read_lines(tmp_path / "a.txt") == []


def test_a_name_has_one_form() -> None:
    assert one_line(" cafe\u0301\t\n bar ") == "café bar"
