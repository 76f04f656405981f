from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests._helpers import small_page
from unlabelled.hierarchy import Tree
from unlabelled.page import OtherRun, other_run
from unlabelled.page.comparison import comparison
from unlabelled.page.samples import joint_features


def test_samples_are_found_by_path_and_start_and_numbered_as_on_the_other_page() -> None:
    here = small_page.samples([f"/d/{row}.mp4" for row in range(12)])
    here.starts[5] = 10
    order = [*range(11, 3, -1), 0]  # in another order, without three of them
    there = replace(
        small_page.samples([f"/d/x/../{row}.mp4" for row in order]), clusters=np.array([7, 2] * 4 + [2])
    )
    joint = joint_features({"video": np.eye(2, dtype=np.float32)[[0, 1] * 4 + [1]]})
    found = other_run(here, "other", there, joint)
    assert found.clusters[[1, 2, 3, 5]].tolist() == [-1] * 4  # 5 is another part of its file
    assert set(found.clusters.tolist()) == {-1, 0, 1}
    assert found.clusters[11] == found.clusters[9] != found.clusters[10] == found.clusters[0]
    with pytest.raises(ValueError, match="--compare other: it has none of the files"):
        other_run(small_page.samples(["/e/0.mp4"]), "other", there, joint)


def test_scores_of_all_cuts_are_those_of_the_samples_in_both_runs() -> None:
    leaf_of = np.repeat([0, 1, 2], 4)
    clusters = np.repeat([0, 0, 1], 4)
    clusters[11] = -1
    scores = comparison(Tree([[0, 1], [3, 2]]), leaf_of, OtherRun("other", clusters))
    assert scores["nmi"][1] == scores["ari"][1] == 1
    assert scores["nmi"][0] == scores["ari"][0] == 0
    assert 0 < scores["ari"][2] < 1
    assert scores["clusters"] == clusters.tolist()
