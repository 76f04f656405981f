from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests._helpers import small_page
from tests._helpers.small_page import NAMES, page_data
from unlabelled.page import PagePlan, write_page


def test_the_data_of_the_page(page: Path) -> None:
    data = page_data(page)
    assert sorted(data["names"]) == sorted(f"{copy}/{name}" for copy in range(4) for name in NAMES)
    assert data["clusters"] == 2
    assert len(data["order"]) == 6
    assert len(data["disk"]) == 11
    assert data["kinds"] == ["video", "video", "video", "video", "audio", "image"] * 4
    for name in [*data["thumbnails"], *data["media"]]:
        assert (page / "previews" / name).stat().st_size
    assert all(row not in near for row, near in enumerate(data["near"]))
    near_names = [data["names"][near[0]].split("/")[1] for near in data["near"]]
    assert np.mean([each == name for each, name in zip(near_names, NAMES * 4, strict=True)]) > 0.5
    assert len(data["scores"]["nmi"]) == 6
    assert set(data["modalities"]) == {"video", "audio"}


def test_only_the_page_s_own_script_can_run(page: Path) -> None:
    text = (page / "index.html").read_text("ascii")
    assert text.count("<script") == 2
    assert "@" not in re.search(r'content="([^"]*)"', text)[1]
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "<title>A &quot;page&quot; &lt;of&gt; files</title>" in text


def test_the_tables_beside_the_page(page: Path) -> None:
    with (page / "clusters.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    data = page_data(page)
    assert [line["path"] for line in lines] == data["names"]
    assert [name for name in lines[0] if name.startswith("cluster_of_")] == [
        "cluster_of_2",
        "cluster_of_3",
        "cluster_of_5",
        "cluster_of_6",
    ]
    for one, other in zip(lines, data["leaves"], strict=True):
        assert data["order"].index(other) == int(one["cluster_of_6"]) - 1
    assert np.load(page / "features.npy").shape == (24, 10)
    assert (page / "tree.nwk").read_text().count(",") == 5


@pytest.mark.parametrize(("count", "clusters"), [(1, [0]), (2, [1, 1]), (2, [0, 5]), (9, [4] * 9)])
def test_pages_of_few_samples_and_of_one_cluster(tmp_path: Path, count: int, clusters: list[int]) -> None:
    samples = small_page.samples([f"missing/{row}" for row in range(count)], ["class"] * count)
    samples = replace(samples, clusters=np.array(clusters))
    write_page(samples, small_page.features(count), tmp_path, PagePlan("few"))
    data = page_data(tmp_path)
    assert data["clusters"] == len(set(clusters))
    assert data["kinds"] == ["none"] * count
    assert len(data["scores"]["nmi"]) == len(data["order"])
