from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start Chromium, or skip the test."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed: the extra browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any, page: Path) -> Iterator[Any]:
    """Open the page; at the end of a test there must be no message in the console."""
    context = browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    messages: list[str] = []
    opened.on("console", lambda message: messages.append(message.text))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on("requestfailed", lambda request: messages.append(f"failed: {request.url}"))
    opened.on(
        "request", lambda each: messages.extend([] if each.url[:5] in ("file:", "blob:") else [each.url])
    )
    opened.goto((page / "index.html").as_uri())
    opened.wait_for_selector(".tile img")
    yield opened
    assert messages == []
    context.close()
