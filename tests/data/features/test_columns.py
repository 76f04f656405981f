"""Tables give back what was written, cost nothing to open, and are never there in part."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unlabelled.data.features import column_format
from unlabelled.data.features.column_format import Column, ragged, scalar, text, texts
from unlabelled.data.features.column_writer import ColumnWriter
from unlabelled.data.features.columns import ColumnTable

COLUMNS = {
    "id": text(key=True),
    "number": scalar("i4"),
    "pair": scalar("f8", 2),
    "rows": ragged("f2", 3),
    "lines": texts(),
}
ROWS: list[dict[str, Any]] = [
    {"id": "b", "number": 3, "pair": [1, 2.5], "rows": np.ones((2, 3), "f2"), "lines": ["x", "", "é"]},
    {"id": "", "number": -3, "pair": [0, 0], "rows": [], "lines": []},
    {"id": "a", "number": 0, "pair": [7, 8], "rows": np.full((1, 3), 5.0), "lines": ["y"]},
]


def write(
    path: Path, rows: Iterable[dict[str, Any]] = ROWS, columns: dict[str, Column] = COLUMNS
) -> ColumnTable:
    with ColumnWriter(str(path), columns) as writer:
        for row in rows:
            writer.append(row)
    return ColumnTable(str(path))


def same(table: ColumnTable, rows: list[dict[str, Any]]) -> None:
    assert len(table) == len(rows)
    for place, row in enumerate(rows):
        assert table.text("id")[place] == row["id"]
        assert table.scalars("number")[place] == row["number"]
        assert table.scalars("pair")[place].tolist() == list(row["pair"])
        assert np.array_equal(table.ragged("rows")[place], np.reshape(row["rows"], (-1, 3)))
        assert table.ragged("rows").length(place) == len(row["rows"])
        assert table.texts("lines")[place] == row["lines"]
        assert table.texts("lines").length(place) == len(row["lines"])


def test_a_table_gives_back_what_was_written(tmp_path: Path) -> None:
    table = write(tmp_path / "deep" / "table")
    same(table, ROWS)
    assert table.text("id")[:] == ["b", "", "a"]
    assert table.text("id")[-1] == "a"
    assert table.ragged("rows").lengths().tolist() == [2, 0, 1]
    assert table.texts("lines").lengths().tolist() == [3, 0, 1]
    assert table.texts("lines").part(0, [2, 0]) == ["é", "x"]
    assert table.ragged("rows")[0].dtype == np.float16
    assert not table.ragged("rows")[0].flags.writeable


_WORDS = st.text(max_size=4)
_ROW = st.fixed_dictionaries(
    {
        "number": st.integers(-(2**31), 2**31 - 1),
        "pair": st.lists(st.floats(allow_nan=False), min_size=2, max_size=2),
        "rows": hnp.arrays(
            "f2", st.tuples(st.integers(0, 3), st.just(3)), elements=st.floats(-9, 9, width=16)
        ),
        "lines": st.lists(_WORDS, max_size=3),
    }
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.dictionaries(_WORDS, _ROW, max_size=8), others=st.lists(_WORDS, max_size=5))
def test_any_rows_are_found_again(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, dict[str, Any]], others: list[str]
) -> None:
    full = [{"id": key, **row} for key, row in rows.items()]
    table = write(tmp_path_factory.mktemp("any") / "t", full)
    same(table, full)
    wanted, keys = [*rows, *others], list(rows)
    expected = [keys.index(key) if key in rows else -1 for key in wanted]
    assert table.find("id", wanted).tolist() == expected


def test_several_rows_at_once(tmp_path: Path) -> None:
    with ColumnWriter(str(tmp_path / "t"), COLUMNS) as writer:
        writer.append(ROWS[0])
        writer.extend({name: [row[name] for row in ROWS[1:]] for name in COLUMNS})
        writer.extend({name: [] for name in COLUMNS})
    same(ColumnTable(str(tmp_path / "t")), ROWS)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            {"a": np.array([0, 99999]), "b": [1, 2]},
            "from row 0, column 'a': 0 to 99999 does not fit into int16",
        ),
        ({"a": [1, 2], "b": [1]}, r"equally many values for each column, found \{'a': 2, 'b': 1\}"),
        ({"a": [1]}, "expected the columns a, b; found a"),
    ],
)
def test_several_rows_that_do_not_fit(tmp_path: Path, rows: dict[str, Any], words: str) -> None:
    with (
        pytest.raises(ValueError, match=words),
        ColumnWriter(str(tmp_path / "t"), {"a": scalar("i2"), "b": scalar("i2")}) as writer,
    ):
        writer.extend(rows)
    assert list(tmp_path.iterdir()) == []


def test_keys_of_equal_hash_are_distinguished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(keys: Iterable[bytes]) -> np.ndarray:
        return np.array([len(key) for key in keys], np.uint64)

    for module in ("columns", "column_values"):
        monkeypatch.setattr(f"unlabelled.data.features.{module}.hash_keys", few)
    names = ["cc", "a", "aa", "b", "bb"]
    table = write(tmp_path / "t", [{"id": name} for name in names], {"id": text(key=True)})
    assert table.find("id", [*names, "c", "dd", "eee"]).tolist() == [0, 1, 2, 3, 4, -1, -1, -1]


def test_hashes_stay_what_they_are() -> None:
    assert column_format.hash_keys([b"", b"onion"]).tolist() == [13020603013274838756, 257683028873182985]


def read_in_child(table: ColumnTable, queue: Any) -> None:
    queue.put([table.text("id")[:], table.ragged("rows")[2].tolist(), table.find("id", ["a"]).tolist()])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_tables_go_to_other_processes_as_their_path(tmp_path: Path, method: str) -> None:
    table = write(tmp_path / "t")
    same(table, ROWS)  # opens its files
    assert len(pickle.dumps(table)) < 300
    same(pickle.loads(pickle.dumps(table)), ROWS)
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=read_in_child, args=(table, queue))
    process.start()
    assert queue.get(timeout=60) == [["b", "", "a"], [[5.0] * 3], [2]]
    process.join()


def test_arrays_are_maps_of_the_files(tmp_path: Path) -> None:
    array = write(tmp_path / "t").ragged("rows")[0]
    while isinstance(array.base, np.ndarray):
        array = array.base
    assert isinstance(array, np.memmap)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number": 2**40}, r"row 0, column 'number': .* does not fit into int32"),
        ({"number": 1.5}, r"column 'number': expected int32, found float64"),
        ({"rows": np.full((1, 3), -1e5)}, r"column 'rows': -100000.0 to .* does not fit into float16"),
        ({"pair": [1, 2, 3]}, r"column 'pair': expected an array \(2\), found \(3,\)"),
        ({"rows": np.ones((2, 4))}, r"column 'rows': expected an array \(n, 3\), found \(2, 4\)"),
        ({"rows": [["a", "b", "c"]]}, r"column 'rows': expected float16, found <U1"),
        ({"id": 3}, r"column 'id': expected a text, found int"),
        ({"lines": "abc"}, r"column 'lines': expected a list of texts, found str"),
        ({"lines": ["a", None]}, r"column 'lines': expected a text, found NoneType"),
        ({"more": 1}, r"row 0: expected the columns id, .*; found .*, more"),
    ],
)
def test_values_that_do_not_fit_leave_nothing_behind(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        write(tmp_path / "t", [{**ROWS[0], **change}])
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_occurs_twice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 keys of 'id' occur more than once: 'b'"):
        write(tmp_path / "t", [*ROWS, ROWS[0]])
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_writer_leaves_nothing_behind(tmp_path: Path) -> None:
    def rows() -> Iterable[dict[str, Any]]:
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "t", rows())
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    def slow() -> Iterable[dict[str, Any]]:
        write(tmp_path / "u")
        yield ROWS[1]

    write(tmp_path / "t")
    with pytest.raises(FileExistsError, match="t exists; delete it first"):
        write(tmp_path / "t", [])
    with pytest.raises(FileExistsError, match="was written by another process meanwhile"):
        write(tmp_path / "u", slow())
    same(ColumnTable(str(tmp_path / "u")), ROWS)
    assert {path.name for path in tmp_path.iterdir()} == {"t", "u"}


def test_many_rows_need_no_more_memory_than_buffers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlabelled.data.features.column_values._BUFFER", 64)
    with ColumnWriter(str(tmp_path / "t"), {"n": scalar("i8"), "r": ragged("u1")}) as writer:
        for number in range(1000):
            writer.append({"n": number, "r": np.full(number % 3, number % 256)})
        on_disk = sum(file.stat().st_size for file in writer._folder.iterdir())
        assert on_disk > 16000  # rows do not wait for the end
    table = ColumnTable(str(tmp_path / "t"))
    assert table.scalars("n").tolist() == list(range(1000))
    assert all(table.ragged("r")[n].tolist() == [n % 256] * (n % 3) for n in range(1000))


def test_unfit_names_and_types() -> None:
    with pytest.raises(ValueError, match=r"column name '\.\./up' must consist of letters"):
        ColumnWriter("x", {"../up": text()})
    for kind in ("O", "U3", "datetime64[s]", "no type"):
        with pytest.raises(ValueError, match="dtype"):
            scalar(kind)


def test_asking_for_what_is_not_there(tmp_path: Path) -> None:
    table = write(tmp_path / "t")
    with pytest.raises(KeyError, match="has no column 'title'; it has id, number"):
        table.text("title")
    with pytest.raises(ValueError, match="column 'id' is of kind text, not ragged"):
        table.ragged("id")
    with pytest.raises(IndexError, match="row 3 of 3"):
        table.text("id")[3]
    with pytest.raises(IndexError):
        table.texts("lines").part(0, [3])
    other = write(tmp_path / "other", [{"n": "x"}], {"n": text()})
    with pytest.raises(ValueError, match="'n' was not written as a key"):
        other.find("n", ["x"])


def test_damaged_tables(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no table in .*none: table.json is missing"):
        ColumnTable(str(tmp_path / "none"))
    table = write(tmp_path / "t")
    description = json.loads((tmp_path / "t" / "table.json").read_text())
    for change, words in [
        ("{", "is damaged"),
        (json.dumps({**description, "format": 99}), "is not of format 1; write the table again"),
        (json.dumps({"format": 1, "rows": 1}), "its rows or columns are missing"),
        (json.dumps({**description, "columns": {"a": {"kind": "odd"}}}), "does not have the kind"),
    ]:
        (tmp_path / "t" / "table.json").write_text(change)
        with pytest.raises(ValueError, match=words):
            ColumnTable(table.path)
    (tmp_path / "t" / "table.json").write_text(json.dumps({**description, "rows": 4}))
    with pytest.raises(ValueError, match=r"number.npy: expected int32 \(4,\), found int32 \(3,\)"):
        ColumnTable(table.path).scalars("number")
    (tmp_path / "t" / "rows.npy").unlink()
    with pytest.raises(ValueError, match=r"rows.npy is damaged or missing"):
        ColumnTable(table.path).values("rows")


def test_a_column_file_with_pickled_objects_is_not_run(tmp_path: Path) -> None:
    table = write(tmp_path / "t")
    np.save(tmp_path / "t" / "number.npy", np.array([print, 1, 2], object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects in dtype"):
        table.scalars("number")
