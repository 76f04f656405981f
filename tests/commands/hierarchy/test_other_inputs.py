"""The command on tables of text, similarity matrices and given trees."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unlabelled.commands.hierarchy import main
from unlabelled.commands.hierarchy.csv_table import read_csv
from unlabelled.hierarchy import Leaves, Linkage, Tree, dasgupta_1x

main_module = importlib.import_module("unlabelled.commands.hierarchy.main")
RNG = np.random.default_rng(0)
ROWS = np.concatenate([np.eye(4)[k] + 0.1 * RNG.normal(size=(6, 4)) for k in range(4)])
NAMES = [f"row {number}" for number in range(24)]
KINDS = [f"kind {number // 6}" for number in range(24)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main_module, "write_figures", lambda *_: None)
    return tmp_path


def runs() -> dict[str, dict[str, Any]]:
    content = json.loads(Path("out/costs.json").read_text())
    return {run["method"]: run for run in content["runs"]}


def write_csv(
    path: str, rows: np.ndarray, header: str = "", delimiter: str = ",", **columns: list[str]
) -> None:
    lines = [header] if header else []
    for number, row in enumerate(rows):
        fields = [columns["first"][number]] if "first" in columns else []
        fields += [f"{value:.17g}" for value in row]
        fields += [columns["last"][number]] if "last" in columns else []
        lines.append(delimiter.join(fields))
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def test_a_table_with_names_and_a_column_of_labels() -> None:
    write_csv("x.csv", ROWS, "name,a,b,c,d,kind", first=NAMES, last=KINDS)
    arguments = "x.csv --labels kind --methods average --clusters 4 --out out"
    assert main(arguments.split()) == 0
    expected = Linkage().fit(Leaves.from_features(ROWS)).report["dasgupta_1x"]
    assert runs()["average"]["dasgupta_1x"]["leaves_1x"] == pytest.approx(expected)
    assert runs()["average"]["scores"]["purity_cut4"] == 1
    assert "'row 17'" in Path("out/trees/average.nwk").read_text()


@pytest.mark.parametrize(
    ("header", "delimiter", "columns"),
    [
        ("", ",", {}),
        ("", "\t", {"first": NAMES}),
        ("a;b;c;d", ";", {}),
        (",0,1,2,3", ",", {"first": [str(number) for number in range(24)]}),  # pandas
    ],
)
def test_headers_and_names_are_found(header: str, delimiter: str, columns: dict[str, list[str]]) -> None:
    write_csv("x.csv", ROWS, header, delimiter, **columns)
    table = read_csv("x.csv")
    np.testing.assert_array_equal(table.numbers, ROWS)
    assert table.names == columns.get("first")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.csv: the table is empty"),
        ("1,2\n3\n", "x.csv, row 2: 1 fields, expected 2"),
        ("a,b\n1,2\n3,four\n", "x.csv, row 3, column b: 'four' is no number"),
        ("1,2\n3,\n", "x.csv, row 2, column 2: '' is no number"),
        ("1;2,5\n3;4\n", "x.csv, row 1, column 2: '2,5' is no number"),
        ("1,\n3,4\n", "x.csv, row 1, column 2: '' is no number"),
        ("1,2\n3,nan\n", "1 of 2 rows contain NaN"),
        ("a,b\n1,2\n", "at least two rows"),
    ],
)
def test_tables_that_are_no_features(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.csv").write_text(text)
    assert main(["x.csv"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_column_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    write_csv("x.csv", ROWS, "a,b,c,kind")
    assert main(["x.csv", "--labels", "kinds"]) == 2
    assert "there is no column 'kinds'; did you mean kind?" in capsys.readouterr().err


def test_a_similarity_matrix() -> None:
    leaves = Leaves.from_features(ROWS, "positive_cosine")
    write_csv("w.csv", leaves.similarity + np.eye(24), "," + ",".join(NAMES), first=NAMES)
    methods = ["average", "ward", "shhc-published"]
    assert main(["w.csv", "--similarity", "matrix", "--out", "out", "--methods", *methods]) == 0
    found = runs()
    assert list(found) == methods
    expected = Linkage().fit(leaves).report["dasgupta_1x"]
    assert found["average"]["dasgupta_1x"]["leaves_1x"] == pytest.approx(expected)
    text = Path("out/costs.md").read_text()
    assert "similarity: matrix, w as given" in text
    assert "held-out agreement: not computed, because it requires features" in text
    assert "'row 3'" in Path("out/trees/ward.nwk").read_text()
    assert "centroids" not in np.load("out/leaves.npz")


def test_large_similarities_are_scaled_and_distances_noticed(caplog: pytest.LogCaptureFixture) -> None:
    counts = np.round(50 * Leaves.from_features(ROWS, "positive_cosine").similarity)
    np.save("counts.npy", counts + 50 * np.eye(24))
    assert main(["counts.npy", "--similarity", "matrix", "--methods", "average", "--out", "out"]) == 0
    assert f"divided by the largest similarity, {counts.max():g}" in caplog.text
    tree = Tree.from_linkage(np.load("out/trees/average.npy"))
    assert len(set(tree.cut(4)[::6].tolist())) == 4
    assert "are these distances?" not in caplog.text
    np.save("gaps.npy", 1 - counts / 50 - np.eye(24))
    assert main(["gaps.npy", "--similarity", "matrix", "--methods", "average", "--out", "out"]) == 0
    assert "are these distances?" in caplog.text


def test_matrices_that_are_no_similarities(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("x.npy", ROWS)
    assert main(["x.npy", "--similarity", "matrix"]) == 2
    np.save("x.npy", np.triu(np.ones((24, 24))))
    assert main(["x.npy", "--similarity", "matrix"]) == 2
    np.save("x.npy", np.eye(24))
    assert main(["x.npy", "--similarity", "matrix", "--leaves", "10"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert "a similarity matrix is square, this array is 24 x 4" in errors[0]
    assert "not symmetric: 1 at row 0, column 1 (from 0), 0 the other way" in errors[1]
    assert "pre-clustering requires features; set --leaves 24" in errors[2]


def test_given_trees_are_judged_and_improved() -> None:
    np.save("x.npy", ROWS)
    Path("names.txt").write_text("\n".join(NAMES))
    leaves = Leaves.from_features(ROWS)
    order = RNG.permutation(24)
    comb = "(" * 23 + NAMES[order[0]].replace(" ", "_")
    comb += "".join(f",'{NAMES[row]}')" for row in order[1:])
    Path("comb.nwk").write_text(comb + ";")
    single = Linkage("single").fit(leaves).tree
    np.save("other.npy", single.to_linkage())
    arguments = "x.npy --names names.txt --methods average --trees comb.nwk other.npy --out out"
    assert main(arguments.split()) == 0
    found = {name: run["dasgupta_1x"]["leaves_1x"] for name, run in runs().items()}
    assert list(found) == ["average", "comb", "comb-improved", "other", "other-improved"]
    nodes = list(range(24, 46))
    tree = Tree(np.column_stack([[order[0], *nodes], order[1:]]))
    assert found["comb"] == pytest.approx(dasgupta_1x(tree, leaves.weights))
    assert found["comb-improved"] < 0.95 * found["comb"]
    assert found["comb-improved"] <= found["average"] * 1.001
    assert found["other"] == pytest.approx(dasgupta_1x(single, leaves.weights))
    assert runs()["comb"]["held_out_agreement"] is None
    improved = Tree.from_linkage(np.load("out/trees/comb-improved.npy"))
    assert found["comb-improved"] == pytest.approx(dasgupta_1x(improved, leaves.weights))
    assert "given trees: comb, other; improved: local search" in Path("out/costs.md").read_text()


def test_what_the_command_writes_it_judges_alike() -> None:
    np.save("x.npy", ROWS)
    assert main(["x.npy", "--methods", "average", "--out", "out"]) == 0
    Path("out/trees/average.nwk").rename("again.nwk")
    assert main(["x.npy", "--methods", "average", "--trees", "again.nwk", "--out", "out"]) == 0
    found = runs()
    assert found["again"]["dasgupta_1x"]["leaves_1x"] == pytest.approx(
        found["average"]["dasgupta_1x"]["leaves_1x"]
    )


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("(0,1);", "t.nwk: the row '2' is 0 leaves of the tree, expected 1; so for 22 of 24 rows"),
        ("((0,1),(0,2));", "the row '0' is 2 leaves"),
        ("(0,cat);", "t.nwk: the leaf 'cat' is no name of a row"),
        ("(0,1", "t.nwk: the text ends early"),
    ],
)
def test_trees_that_do_not_fit(tree: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("x.npy", ROWS)
    Path("t.nwk").write_text(tree)
    assert main(["x.npy", "--trees", "t.nwk"]) == 2
    assert message in capsys.readouterr().err


def test_trees_require_rows_as_leaves_and_names_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("x.npy", ROWS)
    Path("ward.nwk").write_text(Linkage().fit(Leaves.from_features(ROWS)).tree.newick())
    assert main(["x.npy", "--leaves", "12", "--trees", "ward.nwk"]) == 2
    assert main(["x.npy", "--trees", "ward.nwk", "ward.nwk"]) == 2
    assert main(["x.npy", "--trees", "ward.nwk"]) == 2
    assert main(["x.npy", "--trees", "none.nwk"]) == 2
    Path("names.txt").write_text("\n".join(["a", "a", *NAMES[2:]]))
    assert main(["x.npy", "--trees", "ward.nwk", "--names", "names.txt"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    for error, part in zip(
        errors,
        [
            "set --leaves 24",
            "another tree is called ward",
            "the name ward is taken",
            "no file none.nwk",
            "name 'a'",
        ],
        strict=True,
    ):
        assert part in error
