from __future__ import annotations

from pathlib import Path

import pytest

from tests._helpers import small_page
from unlabelled.page import PagePlan, write_page


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of 24 files, in two clusters of a method and six leaves."""
    folder = tmp_path_factory.mktemp("page")
    paths = small_page.write_files(folder / "files")
    labels = [["drum & bass", "<b>", ""][row % 3] for row in range(len(paths))]
    plan = PagePlan('A "page" <of> files', leaves=6)
    write_page(small_page.samples(paths, labels), small_page.features(len(paths)), folder / "page", plan)
    return folder / "page"
