"""Tables of own files: CSV, TSV, JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlabelled.data.lists import read_records
from unlabelled.data.lists.own_table import Listed, read_table


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'Path, Label\n\n"a, b.mp4",under $20\r\nc.mp4,\n'),
        ("a.csv", "path;label\na, b.mp4;under $20\nc.mp4;\n"),
        ("a.tsv", "path\tlabel\na, b.mp4\tunder $20\nc.mp4\t\n"),
        ("a.jsonl", '{"path": "a, b.mp4", "label": "under $20"}\n\n{"path": "c.mp4", "label": null}\n'),
    ],
)
def test_formats_are_equal(name: str, text: str, tmp_path: Path) -> None:
    records = read_records(write(tmp_path / name, text), ["path"])
    assert [record.values for record in records] == [
        {"path": "a, b.mp4", "label": "under $20"},
        {"path": "c.mp4", "label": ""},
    ]
    assert records[1].where.startswith(f"{tmp_path / name}, row ")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "path,label\na.mp4\n", r"a\.csv, row 2: 1 fields, but the 2 columns path, label"),
        ("a.csv", "file,label\na.mp4,x\n", r"a\.csv, row 1: there is no column 'path', but file, label"),
        (
            "a.jsonl",
            '{"path": "a"}\n{"file": "b"}\n',
            r"a\.jsonl, row 2: there is no column 'path', but file",
        ),
        ("a.json", '[{"path": "a.mp4"}]\n', r"a\.json, row 1: expected an object, one per row"),
        ("a.csv", 'path\n"a.mp4\nb.mp4\n', r"a\.csv, row 3: unexpected end of data"),
        ("a.jsonl", '{"path": "a.mp4"}\n{"path": \n', r"a\.jsonl, row 2: not JSON"),
        ("a.jsonl", '["a.mp4"]\n', r"a\.jsonl, row 1: expected an object, one per row"),
        ("a.csv", "path,start\na.mp4,soon\n", r"row 2: start='soon' is not a time"),
        ("a.csv", "path,start\na.mp4,nan\n", r"row 2: start='nan' is not a time"),
        ("a.csv", "path,start,end\na.mp4,5,4\n", r"row 2: end=4 is not after start=5"),
        ("a.csv", "path,split\na.mp4,train\nb.mp4,\n", r"row 3: split is empty, but other rows have one"),
        ("a.csv", "path,split\na.mp4,fit\n", r"row 2: split='fit' is not one of train, val and test"),
        ("a.csv", "path,label\n,x\n", r"row 2: path is empty"),
        ("a.csv", "path\n", r"a\.csv: no rows"),
    ],
)
def test_a_wrong_row_is_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / name, text)
    with pytest.raises(ValueError, match=message):
        read_table(str(tmp_path), name, [])


def test_rows_are_found_on_disk(tmp_path: Path) -> None:
    on_disk = ["cafe\u0301.mp4", "in/b.mp4", "in/c.mp4", "rest.mp4"]  # the first as macOS stores it
    for path in on_disk:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    rows = ["path,start,end,split,caption,note", "café.mp4,1:02.5,,training,,x", "in\\b.mp4,,3.5,dev,a  dog,"]
    rows += [f"{tmp_path}/in/c.mp4,,,test,,", "absent.mp4,,,test,,"]
    write(tmp_path / "list.csv", "\n".join(rows))
    listed, notes = read_table(str(tmp_path), "list.csv", on_disk)
    assert listed == [
        Listed("cafe\u0301.mp4", start=62.5, split="train"),
        Listed("in/b.mp4", end=3.5, split="val", caption="a dog"),
        Listed("in/c.mp4", split="test"),
        Listed("absent.mp4", split="test"),
    ]
    assert notes == [
        "list.csv: columns that are not used: 1 (note)",
        "list.csv: files that are not in the table: 1 (rest.mp4)",
    ]
    write(tmp_path / "typo.csv", "path,lable,Caption,splits\nrest.mp4,a,b,train\n")
    assert read_table(str(tmp_path), "typo.csv", ["rest.mp4"])[1] == [
        "typo.csv: columns that are not used: 2 (lable; did you mean label?, splits; did you mean split?)"
    ]
    with pytest.raises(FileNotFoundError, match=r"table: there is no file 'other\.csv' in root="):
        read_table(str(tmp_path), "other.csv", on_disk)
