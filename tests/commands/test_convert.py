"""Published pickles and JSON become tables; a pickle with code is refused."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests._helpers.feature_layouts import captions
from tests.conftest import ROOT
from unlabelled.commands.convert import convert, main
from unlabelled.data.features.captions import CaptionTable
from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.features.json_entries import json_entries
from unlabelled.data.features.records import write_records
from unlabelled.data.features.safe_pickle import UnsafePickleError, load_pickle, plain

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def load(data: bytes) -> Any:
    return load_pickle(io.BytesIO(data), "x.pkl")


def same(found: Any, expected: Any) -> None:
    found = plain(found)
    if isinstance(expected, np.ndarray) and expected.dtype != object:
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected, equal_nan=expected.dtype.kind == "f")
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            same(found[key], value)
    elif isinstance(expected, (list, tuple)):
        assert type(found) is type(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    else:
        assert found == expected


ARRAYS = hnp.arrays(
    st.one_of(hnp.floating_dtypes(endianness="?"), hnp.integer_dtypes(endianness="?"), hnp.boolean_dtypes()),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=3),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), ARRAYS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


@given(value=VALUES, protocol=st.sampled_from(PROTOCOLS))
def test_numbers_texts_and_containers_come_back(value: Any, protocol: int) -> None:
    same(load(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_published_contents(protocol: int) -> None:
    value = {
        "scalar": np.float32(1.5),
        "count": np.int64(3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "bytes": b"\x00\xff",
        "ordered": OrderedDict(a=1),
        "set": {1, 2},
        "tuple": (1, (2, 3)),
    }
    same(load(pickle.dumps(value, protocol)), value)
    objects = plain(load(pickle.dumps(np.array(["a", "bc"], object), protocol)))
    assert objects == ["a", "bc"]


def test_pickles_of_python_2() -> None:
    """``numpy.arange(3, dtype='<i2')`` and the text ``id``, as Python 2 and NumPy 1 wrote them."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I3\ntcnumpy\ndtype\n"
        b"(S'i2'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x01\\x00\\x02\\x00'\ntb"
    )
    found = load(b"(dS'id'\nS'v1'\nsS'a'\n" + array + b"s.")
    assert found["id"] == "v1"
    assert plain(found["a"]).tolist() == [0, 1, 2]


class Evil:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "call",
    [
        lambda mark: (os.system, (f"touch {mark}",)),
        lambda mark: (open, (mark, "w")),
        lambda mark: (eval, (f"open({mark!r}, 'w')",)),
        lambda mark: (exec, (f"open({mark!r}, 'w')",)),
        lambda mark: (np.save, (mark, [1])),
        lambda mark: (list, (Evil(open, mark, "w"),)),
    ],
    ids=["os.system", "open", "eval", "exec", "numpy.save", "inside a list"],
)
def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, call: Callable[[str], tuple[Any, tuple[Any, ...]]], protocol: int
) -> None:
    function, arguments = call(str(tmp_path / "mark"))
    file = tmp_path / "evil.pkl"
    file.write_bytes(pickle.dumps({"id": Evil(function, *arguments)}, protocol))
    with pytest.raises(UnsafePickleError, match=r"evil\.pkl is refused: it names '.*', which numbers"):
        convert(str(file), str(tmp_path / "table"))
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pkl"]
    with contextlib.suppress(TypeError, OSError):
        pickle.loads(file.read_bytes())
    assert list(tmp_path.glob("mark*"))  # the pickle module runs it


@pytest.mark.parametrize("value", [Path("x"), getattr, np.random.default_rng(0), defaultdict(list), 1j])
def test_other_classes_and_functions_are_refused(value: Any) -> None:
    with pytest.raises(UnsafePickleError, match=r"x\.pkl is refused: it names '"):
        load(pickle.dumps(value))


def test_forged_states_of_arrays_are_refused() -> None:
    """Bytes as an array of objects: NumPy would read them as addresses and crash."""
    forged = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85"
        b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x08AAAAAAAAtb."
    )
    with pytest.raises(UnsafePickleError, match="an array of objects of shape"):
        load(forged)
    with pytest.raises(UnsafePickleError, match=r"a state is set on numpy\.dtype"):
        load(b"cnumpy\ndtype\n(dS'x'\nI1\nsb.")
    with pytest.raises(
        UnsafePickleError, match=r"numpy\.dtype is called with arguments that no array requires"
    ):
        load(b"cnumpy\ndtype\n(tR.")
    with pytest.raises(UnsafePickleError, match=r"bytearray is called .* bytearray\(1000000000000\)"):
        load(b"cbuiltins\nbytearray\n(I1000000000000\ntR.")
    with pytest.raises(UnsafePickleError, match="refers to objects outside"):
        load(b"Pother\n.")


def test_records_of_fields_are_refused() -> None:
    with pytest.raises(UnsafePickleError, match="refused"):
        load(pickle.dumps(np.zeros(2, [("a", "f4")])))
    with pytest.raises(UnsafePickleError, match="an array of type <U1; expected numbers"):
        load(pickle.dumps(np.array(["a"])))


@pytest.mark.parametrize("data", [b"", b"\x80\x04", b"no pickle", pickle.dumps([1, 2])[:-3]])
def test_damaged_pickles(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"x\.pkl is not a whole pickle"):
        load(data)


CAPTIONS = {"v1": captions("cut the onion", "stir"), "é": captions(), "v3": captions("now", each=2.5)}


def check_captions(path: Path) -> None:
    table = CaptionTable(str(path))
    assert table.find(["v3", "é", "v1"]).tolist() == [2, 1, 0]
    assert table[0].texts([0, 1]) == ["cut the onion", "stir"]
    assert table[0].ends.tolist() == [4, 8]
    assert len(table[1]) == 0


@pytest.mark.parametrize("arrays", [False, True])
def test_captions_in_a_pickle(tmp_path: Path, arrays: bool) -> None:
    content = CAPTIONS
    if arrays:
        content = {
            video: {key: np.array(value, object if key == "text" else float) for key, value in each.items()}
            for video, each in CAPTIONS.items()
        }
    (tmp_path / "caption.pickle").write_bytes(pickle.dumps(content))
    counts = convert(str(tmp_path / "caption.pickle"), str(tmp_path / "t"))
    assert counts == {"videos": 3, "captions": 3, "without_captions": 1, "sorted": 0}
    check_captions(tmp_path / "t")


def test_captions_in_json(tmp_path: Path) -> None:
    (tmp_path / "caption.json").write_text(json.dumps(CAPTIONS))
    convert(str(tmp_path / "caption.json"), str(tmp_path / "t"))
    check_captions(tmp_path / "t")


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    content=st.dictionaries(st.text(max_size=3), JSON, max_size=5),
    block=st.integers(1, 9),
    indent=st.booleans(),
)
def test_entries_equal_those_of_json(content: dict[str, Any], block: int, indent: bool) -> None:
    text = json.dumps(content, indent=2 if indent else None)
    assert dict(json_entries(io.StringIO(text), "x", block)) == content


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", r"x, character 0: expected '\{', found '\['"),
        ("", "x, character 0: expected '{', found ''"),
        ('{"a": 1', "expected ',', found ''"),
        ('{"a": [1, 2', "x, character 6: Expecting"),
        ('{"a" 1}', "x, character 5: expected ':', found '1'"),
        ("{1: 2}", "expected a name in quotes"),
    ],
)
def test_damaged_json(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(json_entries(io.StringIO(text), "x", 4))


def records() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    full = {
        "id": "video1",
        "2d": rng.normal(size=(5, 3)).astype(np.float32),
        "3d": rng.normal(size=(7, 4)).astype(np.float32),
        "2d_pooled": np.ones(3),
        "audio": rng.normal(size=(40, 6)).astype(np.float16),
        "eval_caption": "a man cuts",
        "caption": ["a", "b"],
        "has_audio": 1,
    }
    lacking = {**full, "id": "video2", "3d": None, "caption": [], "has_audio": 0}
    del lacking["2d"]
    return [full, lacking]


def test_retrieval_sets(tmp_path: Path) -> None:
    (tmp_path / "test.pkl").write_bytes(pickle.dumps(records(), 2))
    counts = convert(str(tmp_path / "test.pkl"), str(tmp_path / "t"))
    assert counts == {"records": 2, "without 2d": 1, "without 3d": 1}
    table, (first, _) = ColumnTable(str(tmp_path / "t")), records()
    assert table.text("id")[:] == ["video1", "video2"]
    for key in ("2d", "3d"):
        assert np.array_equal(table.ragged(key)[0], first[key])
        assert table.ragged(key)[1].shape == (0, first[key].shape[1])
    assert np.array_equal(table.ragged("audio")[0].T, first["audio"])
    assert table.ragged("audio")[0].dtype == np.float16
    assert table.scalars("2d_pooled").tolist() == [[1, 1, 1], [1, 1, 1]]
    assert table.scalars("has_audio").tolist() == [1, 0]
    assert table.texts("caption")[0] == ["a", "b"]
    assert table.texts("caption")[1] == []
    assert table.text("eval_caption")[1] == "a man cuts"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "expected a list of dictionaries, found list"),
        ([1], "expected a list of dictionaries, found list of int"),
        ("text", "expected captions by video or a list of dictionaries, found str"),
        ([{"n": 1}, {}], "a record lacks 'n', whose numbers or arrays cannot be empty"),
        ([{"a": np.ones((2, 3))}, {"a": np.ones((2, 4))}], r"row 1, column 'a': expected an array \(n, 3\)"),
        ([{"a": {}}], "key 'a': expected numbers or texts, found dict"),
        ({"v": [1]}, "video 'v': expected `start`, `end` and `text`"),
    ],
)
def test_other_contents(tmp_path: Path, content: Any, words: str) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=words):
        convert(str(tmp_path / "x.pkl"), str(tmp_path / "t"))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder = str(tmp_path / "caption.json"), str(tmp_path / "t")
    assert main([file, folder]) == 1
    assert f"error: there is no file {file}" in capsys.readouterr().err
    Path(file).write_text(json.dumps(CAPTIONS))
    command = [sys.executable, "-m", "unlabelled", "convert", file, folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder}: videos 3, captions 3, without_captions 1, sorted 0\n"
    assert main([file, folder]) == 1
    assert "exists; delete it first" in capsys.readouterr().err


def test_a_column_is_as_wide_as_its_widest_record(tmp_path: Path) -> None:
    half, single = np.ones((2, 3), np.float16), np.full((1, 3), 1.0001, np.float32)
    write_records(str(tmp_path / "table"), [{"2d": half}, {"2d": single}], "records")
    stored = ColumnTable(str(tmp_path / "table")).ragged("2d")
    assert stored[1].dtype == np.float32
    assert np.array_equal(stored[1], single)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_captions_are_read_in_each_encoding(encoding: str, tmp_path: Path) -> None:
    content = {"v": {"start": [0.0], "end": [1.0], "text": ["café"]}}
    (tmp_path / "a.json").write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    convert(str(tmp_path / "a.json"), str(tmp_path / "table"))
    assert CaptionTable(str(tmp_path / "table"))[0].texts([0]) == ["café"]


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ({"start": [0, 1], "end": [1, 2], "text": ["a", 5]}, r"video 'v', caption 1: 5 is no text"),
        (
            {"start": [0, float("nan")], "end": [1, 2], "text": ["a", "b"]},
            r"video 'v', caption 1: start or end",
        ),
        ({"start": [0], "end": [1], "text": ["a", "b"]}, r"video 'v': expected as many starts and ends"),
    ],
)
def test_a_bad_caption_is_named_with_file_and_number(
    captions: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"start": [0], "end": [1], "text": [None]}
    (tmp_path / "a.json").write_text(json.dumps({"u": good, "v": captions}))
    with pytest.raises(ValueError, match=rf"a\.json: {message}"):
        convert(str(tmp_path / "a.json"), str(tmp_path / "table"))
    assert main([str(tmp_path / "a.json"), str(tmp_path / "table2")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bad_caption_of_a_retrieval_set_is_named(tmp_path: Path) -> None:
    records = [{"id": "a", "caption": "one"}, {"id": "b", "caption": float("nan")}]
    assert write_records(str(tmp_path / "good"), records, "x.pkl") == {"records": 2, "without caption": 1}
    lists = [{"caption": ["one", "two"]}, {"caption": ["three", None]}, {"caption": "four"}]
    write_records(str(tmp_path / "lists"), lists, "x.pkl")
    column = ColumnTable(str(tmp_path / "lists")).texts("caption")
    assert [column[row] for row in range(3)] == [["one", "two"], ["three", ""], ["four"]]
    records.append({"id": "c", "caption": 7})
    with pytest.raises(ValueError, match=r"x\.pkl, record 2, key 'caption': 7 is no text"):
        write_records(str(tmp_path / "bad"), records, "x.pkl")
