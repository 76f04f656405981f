from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests._helpers import small_page
from unlabelled.page import Additions, PagePlan, write_page
from unlabelled.page.label_files import read_labels
from unlabelled.page.propagation import label_next, propagate


def groups(num_groups: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    rows = np.repeat(np.eye(num_groups), size, 0) + 0.2 * rng.normal(size=(num_groups * size, num_groups))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_three_labels_a_group_reach_the_whole_group() -> None:
    given = [""] * 200
    for group in range(5):
        for row in range(3):
            given[40 * group + row] = "edcba"[group]
    found = propagate(groups(5, 40), given)
    assert found.names == list("abcde")
    expected = 4 - np.arange(200) // 40
    assert (found.labels == expected).mean() > 0.95
    assert (found.confidences[:3] == 1).all()
    assert (found.confidences > 0).all()
    assert (found.num_given, found.agreement) == (15, 15)


def test_the_confidence_is_lower_where_the_label_is_wrong() -> None:
    rows = groups(2, 60)
    rows[59] = rows[119] = (rows[0] + rows[60]) / np.linalg.norm(rows[0] + rows[60])
    found = propagate(rows, ["x", *[""] * 59, "y", *[""] * 59])
    assert found.confidences[[59, 119]].max() < np.median(found.confidences)


def test_one_name_and_no_name() -> None:
    assert (propagate(groups(2, 5), ["x", *[""] * 9]).labels == 0).all()
    with pytest.raises(ValueError, match="no sample of the page has a label"):
        propagate(groups(2, 5), [""] * 10)


def test_groups_without_a_label_are_labelled_next() -> None:
    rows, leaf_of = groups(3, 20), np.repeat([0, 1, 2], 20)
    confidences = np.linspace(0, 1, 60)
    found = propagate(rows, ["x", *[""] * 19, "y", *[""] * 39])
    following = label_next(found, leaf_of, confidences)
    assert following[0] == (59, "none of 20 similar samples has a label")
    assert all("confidence" in reason for _, reason in following[1:])


def test_labels_are_read_by_path_and_span(tmp_path: Path) -> None:
    samples = small_page.samples([f"/d/{name}" for name in ("a.mp4", "a.mp4", "b.mp4", "c.mp4")])
    samples.starts[1] = 10
    path = tmp_path / "labels.csv"
    path.write_text(
        "path,start,label,junk\na.mp4,10.0,late,false\n/d/b.mp4,,b,\nc.mp4,0,bad,true\nz.mp4,0,z,\n", "utf-8"
    )
    labels, notes = read_labels(path, samples)
    assert labels == ["", "late", "b", ""]
    assert notes == ["labels.csv: labels of no sample of the page: 1 (z.mp4)"]
    path.write_text("path,name\n", "utf-8")
    with pytest.raises(ValueError, match="'label' is missing"):
        read_labels(path, samples)


def test_the_page_has_the_propagated_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = 24
    samples = small_page.samples([f"missing/{row}" for row in range(count)])
    given = ["left", "right", *[""] * (count - 2)]
    write_page(samples, small_page.features(count), tmp_path, PagePlan("t"), Additions(given))
    assert "2 labels with 2 names are propagated" in capsys.readouterr().out
    with (tmp_path / "propagated.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["given"] for line in lines[:3]] == ["true", "true", "false"]
    assert {line["label"] for line in lines} >= {"left", "right"}
    assert (tmp_path / "label_next.csv").read_text().count("\n") > 1
    assert '"suggestedNames":["left","right"]' in (tmp_path / "index.html").read_text()
