from __future__ import annotations

from pathlib import Path

from unlabelled.data.media.equal_files import equal_files


def write(root: Path, **contents: bytes) -> list[str]:
    for name, content in contents.items():
        (root / name).write_bytes(content)
    return [str(root / name) for name in contents]


def test_pairs_have_the_same_bytes(tmp_path: Path) -> None:
    start = bytes(1 << 16)
    first = write(tmp_path, a=start + b"1", b=start + b"2", c=b"short", d=b"", e=b"other")
    second = write(tmp_path, f=start + b"2", g=start + b"3", h=b"short", i=b"", j=b"short", k=b"longer")
    pairs = equal_files([*first, str(tmp_path / "missing")], [*second, str(tmp_path / "absent")])
    assert [(Path(one).name, Path(other).name) for one, other in pairs] == [
        ("b", "f"),
        ("c", "h"),
        ("c", "j"),
    ]
    assert equal_files(first, []) == equal_files([], second) == []
    assert equal_files(first[:2], second[1:2]) == []  # equal in size and in the beginning alone
