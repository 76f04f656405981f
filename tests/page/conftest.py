from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests._helpers import small_page
from unlabelled.page import Additions, OtherRun, PagePlan, Queries, write_page
from unlabelled.page.samples import joint_features


def _additions(folder: Path, features: dict[str, NDArray[np.float32]]) -> Additions:
    """Return another run, which has two samples in its other cluster and lacks one, own files and maps."""
    count = len(features["video"])
    clusters = np.where(np.arange(count) % len(small_page.NAMES) < 3, 0, 1)
    clusters[[2, 8]] = 1
    clusters[5] = -1
    own = [folder / name for name in ("own <i>.mp4", "own.wav")]
    for number, path in enumerate(own):
        small_page.write_file(path, 90 * number)
    joint = joint_features(features)[[3, 4]]
    queries = Queries([str(path) for path in own], np.zeros(2), np.array([1.0, np.nan]), joint)
    maps = np.full((count, 3, 4), np.nan, np.float32)
    maps[:6] = np.arange(12).reshape(3, 4)
    return Additions(None, OtherRun("other <b>", clusters), queries, maps)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of 24 files, in two clusters of a method and six leaves."""
    folder = tmp_path_factory.mktemp("page")
    paths = small_page.write_files(folder / "files")
    labels = [["drum & bass", "<b>", ""][row % 3] for row in range(len(paths))]
    plan = PagePlan('A "page" <of> files', leaves=6)
    features = small_page.features(len(paths))
    write_page(
        small_page.samples(paths, labels), features, folder / "page", plan, _additions(folder, features)
    )
    return folder / "page"
