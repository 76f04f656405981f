from __future__ import annotations

from pathlib import Path

import numpy as np

from tests._helpers import small_page
from unlabelled.page import Queries, fine_tree
from unlabelled.page.queries import found_queries
from unlabelled.page.samples import joint_features

COUNT = 24


def test_a_file_is_found_among_those_that_are_like_it(tmp_path: Path) -> None:
    joint = joint_features({"video": small_page.features(COUNT)["video"]})
    clusters = np.arange(COUNT) % len(small_page.NAMES)
    fine = fine_tree(joint, clusters, 6)
    small_page.write_file(tmp_path / "own.png", 50)
    paths = [str(tmp_path / "own.png"), str(tmp_path / "gone.mp4")]
    unlike = -joint[3]
    queries = Queries(paths, np.zeros(2), np.array([np.nan, 1.0]), np.stack([joint[3], unlike]))
    own, gone = found_queries(queries, joint, fine, tmp_path)
    assert own["near"][0] == 3
    assert own["cosines"][0] == 1
    assert {clusters[row] for row in own["near"][:4]} == {clusters[3]}
    assert own["leaf"] == fine.leaf_of[3]
    assert own["typical"] > 0
    assert (own["kind"], own["end"]) == ("image", None)
    assert (tmp_path / own["thumbnail"]).exists()
    assert (gone["kind"], gone["end"], gone["typical"]) == ("none", 1, 0)
