"""The command reads a file of features and writes trees, costs and figures."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests._helpers.hierarchy_oracles import brute_force_cost
from unlabelled.__main__ import run_tool
from unlabelled.commands.hierarchy import main
from unlabelled.commands.hierarchy import outputs as outputs_module
from unlabelled.commands.hierarchy.inputs import checked_features, read_features, read_lines
from unlabelled.commands.hierarchy.runs import METHODS, SAMPLE_METHODS, Run
from unlabelled.commands.hierarchy.study import Classes, Plan, Study
from unlabelled.hierarchy import Hierarchy, HierarchyMethod, HypHC, Leaves, Linkage, Tree, TripletEmbedding

main_module = importlib.import_module("unlabelled.commands.hierarchy.main")  # the name is the function's
RNG = np.random.default_rng(0)
ROWS = np.concatenate([np.eye(4)[k] + 0.1 * RNG.normal(size=(10, 4)) for k in range(4)])
CLASSES = [f"class {number}" for number in (2, 10, 3, 1) for _ in range(10)]


class Broken(HierarchyMethod):
    def fit(self, leaves: Leaves, seed: int = 0) -> Hierarchy:
        raise RuntimeError("out of | luck")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main_module, "write_figures", lambda *_: None)  # figures take most of the time
    np.save("rows.npy", ROWS.astype(np.float16))
    Path("labels.txt").write_text("\n".join(CLASSES))
    Path("names.txt").write_text("\n".join(f"it's {number}" for number in range(40)))
    return tmp_path


def results(folder: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    content = json.loads((folder / "costs.json").read_text())
    return content, {f"{run['method']} {run['on']}": run for run in content["runs"]}


def test_pre_clusters_and_all_samples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs_module, "_DPI", 20)
    monkeypatch.setattr(main_module, "write_figures", outputs_module.write_figures)
    arguments = "rows.npy --leaves 12 --methods single average --clusters 2 4 50 --out out"
    assert main([*arguments.split(), "--labels", "labels.txt", "--names", "names.txt"]) == 0
    out = folder / "out"
    content, runs = results(out)
    assert list(runs) == ["single leaves", "average leaves", "single samples", "average samples"]
    leaves = np.load(out / "leaves.npz")
    rows = read_features("rows.npy")
    samples = Leaves.from_features(rows)
    over_leaves = Leaves.from_features(leaves["centroids"], counts=leaves["counts"])
    tree = Tree.from_linkage(np.load(out / "trees" / "single.npy"))
    costs = runs["single leaves"]["dasgupta_1x"]
    assert costs["leaves_1x"] == pytest.approx(
        brute_force_cost(tree, over_leaves.weights, over_leaves.counts), rel=1e-9
    )
    tree = Tree.from_linkage(np.load(out / "trees" / "average-all-samples.npy"))
    assert runs["average samples"]["dasgupta_1x"] == {
        "samples_1x": pytest.approx(brute_force_cost(tree, samples.similarity), rel=1e-9)
    }
    assert costs["samples_1x"] > runs["average samples"]["dasgupta_1x"]["samples_1x"]
    assert runs["average leaves"]["scores"]["dendrogram_purity"] == pytest.approx(1)
    assert runs["average leaves"]["scores"]["purity_cut4"] == pytest.approx(1)
    assert content["best"] in ("single", "average")
    medoid = f"'it''s {leaves['medoids'][0]}'"
    assert medoid in (out / "trees" / "average.nwk").read_text()
    for figure in ("disk", "dendrogram", "similarity"):
        assert (out / f"{figure}.png").stat().st_size > 1000


def test_shhc_and_hyphc_also_run_on_all_samples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for methods in (METHODS, SAMPLE_METHODS):  # without training
        monkeypatch.setitem(methods, "hyphc", lambda: HypHC(TripletEmbedding(dim=2, epochs=0)))
    monkeypatch.setitem(METHODS, "shhc", Linkage)
    linkages = ["single", "complete", "average", "ward"]
    arguments = ["rows.npy", "--leaves", "12", "--out", "out", "--methods", "shhc", "hyphc", *linkages]
    assert main(arguments) == 0
    _, runs = results(folder / "out")
    costs = {name: runs[f"{name} samples"]["dasgupta_1x"]["samples_1x"] for name in [*linkages, "shhc"]}
    assert costs["shhc"] < min(costs[name] for name in linkages)
    tree = Tree.from_linkage(np.load(folder / "out" / "trees" / "shhc-all-samples.npy"))
    similarity = Leaves.from_features(read_features("rows.npy")).similarity
    assert costs["shhc"] == pytest.approx(brute_force_cost(tree, similarity), rel=1e-9)
    assert runs["hyphc samples"]["num_leaves"] == 40
    text = (folder / "out" / "costs.md").read_text()
    assert "| shhc, on all samples, no pre-clusters |" in text
    assert "shhc on all samples: local moves from the trees of the linkages" in text


def test_of_equally_cheap_trees_that_of_shhc_is_drawn() -> None:
    study = Study.prepare(ROWS, Plan())
    tree = Linkage().fit(Leaves.from_features(ROWS)).tree
    for method, cost in {"ward": 2.0, "average": 1.0, "shhc": 1 + 1e-14}.items():
        study.runs.append(Run(method, "leaves", tree, costs={"leaves_1x": cost}))
    assert study.best is not None
    assert study.best.method == "shhc"
    study.runs[2].costs["leaves_1x"] = 1.001
    assert study.best.method == "average"


def test_the_table_explains_its_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "rows.npy --leaves 12 --methods average --similarity positive_cosine --all-samples-up-to 39"
    assert run_tool(["hierarchy", *arguments.split()], "unlabelled") == 0
    text = (folder / "rows_hierarchies" / "costs.md").read_text()
    assert text.rstrip() in capsys.readouterr().out
    for part in (
        "1x: each pair once; HypHC's code counts twice",
        "w = max(cos, 0)",
        "40 samples of 4 dimensions",
        "all 780 pairs, each with its own w; ",
        " pre-clusters completed by average linkage",
        "cuts left out, because there are fewer leaves: 30, 100",
        "| average |",
    ):
        assert part in text
    assert "no pre-clusters |" not in text


def test_samples_are_the_leaves_of_a_small_file(folder: Path) -> None:
    assert main(["rows.npy", "--methods", "average", "ward", "--out", "out"]) == 0
    content, runs = results(folder / "out")
    assert list(runs) == ["average leaves", "ward leaves"]
    assert content["num_leaves"] == 40
    assert not content["pre_clustered"]
    assert "cost over 40 samples (1x)" in (folder / "out" / "costs.md").read_text()


def test_other_methods_run_after_a_failure(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "ufit", Broken)
    assert main(["rows.npy", "--methods", "ufit", "average", "--out", "out"]) == 1
    _, runs = results(folder / "out")
    assert runs["ufit leaves"]["error"] == "RuntimeError: out of | luck"
    assert runs["average leaves"]["dasgupta_1x"]["leaves_1x"] > 0
    text = (folder / "out" / "costs.md").read_text()
    assert "- ufit: RuntimeError: out of \\| luck" in text
    assert not (folder / "out" / "trees" / "ufit.npy").exists()


def test_all_methods_fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "ufit", Broken)
    assert main(["rows.npy", "--methods", "ufit", "--out", "out"]) == 1
    assert results(folder / "out")[0]["best"] is None


def test_costs_are_written_if_figures_fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module, "write_figures", lambda *_: 1 / 0)
    assert main(["rows.npy", "--methods", "average", "--out", "out"]) == 1
    assert results(folder / "out")[1]["average leaves"]["error"] is None


def test_unusable_input_is_explained_in_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["none.npy"]) == 2
    assert main(["rows.npy", "--labels", "none.txt"]) == 2
    Path("file").write_text("")
    assert main(["rows.npy", "--methods", "average", "--out", "file"]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert errors[:2] == ["error: there is no file none.npy", "error: there is no file none.txt"]
    assert len(errors) == 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint8"])
def test_all_types_of_numbers_are_read(folder: Path, dtype: str) -> None:
    rows = np.arange(12).reshape(4, 3).astype(dtype)
    np.save("x.npy", rows)
    np.savez("x.npz", only=rows)
    torch.save({"number": 3, "rows": torch.from_numpy(rows)}, "x.pt")
    for name in ("x.npy", "x.npz", "x.pt"):
        found = read_features(name)
        assert np.array_equal(found, rows)
        assert found.dtype in (np.float32, np.float64)


def test_booleans_are_numbers(folder: Path) -> None:
    torch.save(torch.eye(3).bool(), "x.pt")
    assert read_features("x.pt").tolist() == np.eye(3).tolist()


@pytest.mark.parametrize("tensor", [torch.eye(3).to_sparse(), torch.eye(3).to(torch.float8_e4m3fn)])
def test_tensors_that_numpy_lacks(
    folder: Path, tensor: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(tensor, "x.pt")
    assert main(["x.pt"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: x.pt: NumPy has no tensor of {tensor.dtype}, {tensor.layout}")
    assert error.count("\n") == 1


def test_bfloat16_and_keys(folder: Path) -> None:
    torch.save(torch.arange(6).view(3, 2).bfloat16(), "x.pt")
    assert read_features("x.pt").tolist() == [[0, 1], [2, 3], [4, 5]]
    np.savez("x.npz", a=np.ones((2, 2)), b=np.zeros((3, 1)))
    assert read_features("x.npz", "b").shape == (3, 1)
    with pytest.raises(ValueError, match=r"name one with --key: a, b"):
        read_features("x.npz")
    with pytest.raises(ValueError, match="no array 'c'"):
        read_features("x.npz", "c")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), r"shape \(3,\), expected two dimensions"),
        (np.ones((2, 3, 4)), r"shape \(2, 3, 4\), expected two"),
        (np.ones((1, 3)), "at least two rows"),
        (np.ones((0, 3)), "at least two rows"),
        (np.ones((3, 0)), "one column"),
        (
            np.array([[1.0, 2], [np.nan, 1], [1, 1], [np.inf, 1]]),
            r"2 of 4 rows contain NaN or infinity: rows 1, 3 ",
        ),
        (np.full((30, 1), np.nan), r"rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, \.\.\. "),
        (np.ones((2, 2), dtype=complex), "complex128"),
        (np.array([["a"], ["b"]]), "<U1"),
        ([1, 2], "found list"),
    ],
)
def test_arrays_that_are_not_features(array: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"x: .*{message}"):
        checked_features("x", array)


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pt", "objects.npy", "x.xlsx"])
def test_files_that_cannot_be_read(folder: Path, name: str) -> None:
    if name == "objects.npy":
        np.save(name, np.array([[{}]], dtype=object), allow_pickle=True)
    else:
        Path(name).write_bytes(b"something else")
    with pytest.raises(ValueError, match=rf"{name}: (cannot be read|expected one of)"):
        read_features(name)


def test_lines_end_at_line_feeds_only(folder: Path) -> None:
    Path("x.txt").write_bytes("\ufeffa\u2028b\r\n\nc\x0bd\x85e\n".encode())
    assert read_lines("x.txt", 3) == ["a\u2028b", "", "c\x0bd\x85e"]
    Path("x.txt").write_bytes(b"a\nb")
    assert read_lines("x.txt", 2) == ["a", "b"]
    Path("x.txt").write_bytes(b"")
    with pytest.raises(ValueError, match="0 entries, expected 2"):
        read_lines("x.txt", 2)


def test_labels(folder: Path) -> None:
    classes = Classes.of(CLASSES)
    assert classes.names == ["class 1", "class 2", "class 3", "class 10"]
    assert classes.table(np.arange(40) // 20, 2).tolist() == [[0, 10, 0, 10], [10, 0, 10, 0]]
    np.save("l.npy", np.arange(3))
    assert read_lines("l.npy", 3) == ["0", "1", "2"]
    with pytest.raises(ValueError, match="3 entries, expected 4"):
        read_lines("l.npy", 4)
    np.save("l.npy", np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"expected integers or strings \(n,\)"):
        read_lines("l.npy", 3)
    with pytest.raises(ValueError, match="give names of rows"):
        Classes.of([str(number) for number in range(10_001)])
