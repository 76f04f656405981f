"""Measure the page of many samples in Chromium: first view, and frames per second while it scrolls.

    python benchmarks/page.py [--samples 20000] [--frames 200]

Requires `make browser`. The page has N samples with thumbnails in 10 clusters. It is opened from disk; then
all samples of one cluster are shown and scrolled by 40 pixels a frame. Beside the frames per second, which
depend on what else runs on the machine, the processor time of a frame is printed: of all processes of the
browser, and of the one that draws, which bounds the frames per second on a free machine; and that of an empty
page, which no page can go below.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from unlabelled.hierarchy import Tree
from unlabelled.page.document import document

_THUMBNAILS, _LEAVES, _CLUSTERS = 500, 40, 10
_PIXELS = 40
_SCROLL = """([pixels, frames]) => new Promise((done) => {
  let count = -1, begin = 0;
  const step = (now) => {
    if (++count === 0) begin = now;
    scrollBy(0, pixels);
    if (count < frames) requestAnimationFrame(step); else done((1000 * frames) / (now - begin));
  };
  requestAnimationFrame(step);
})"""
_HIDE = """() => {
  const style = new CSSStyleSheet();
  style.replaceSync("main { height: 100000px } main > * { display: none !important }");
  document.adoptedStyleSheets = [style];
  scrollTo(0, 0);
}"""


def main() -> None:
    """Print the measures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--frames", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = write(Path(folder), options.samples)
        print(f"{options.samples} samples, {page.stat().st_size / 1e6:.1f} MB of HTML")
        measure(page, options.frames)


def write(folder: Path, count: int) -> Path:
    """Write a page with thumbnails of random colours; return its path."""
    rng = np.random.default_rng(0)
    (folder / "previews").mkdir()
    for number in range(_THUMBNAILS):
        small = Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8))
        small.resize((160, 120)).save(folder / "previews" / f"{number}.jpg")
    merges = [[2 * pair, 2 * pair + 1] for pair in range(_LEAVES - 1)]
    tree = Tree(merges)
    nothing = [""] * count
    data: dict[str, Any] = {
        "title": "many samples",
        "root": "",
        "id": f"benchmark-{count}",
        "names": [f"folder/{row:06}.mp4" for row in range(count)],
        "starts": [0] * count,
        "ends": [4] * count,
        "splits": nothing,
        "missing": nothing,
        "labels": [-1] * count,
        "classes": [],
        "confidences": rng.random(count).round(4).tolist(),
        "leaves": (np.arange(count) % _LEAVES).tolist(),
        "near": rng.integers(0, count, (count, 8)).tolist(),
        "positions": rng.random((count, 2)).round(4).tolist(),
        "kinds": ["video"] * count,
        "thumbnails": [f"{row % _THUMBNAILS}.jpg" for row in range(count)],
        "media": nothing,
        "spectrograms": [0] * count,
        "merges": tree.merges.tolist(),
        "heights": tree.heights.tolist(),
        "order": tree.leaf_order.tolist(),
        "disk": [[0, 0]] * tree.num_nodes,
        "clusters": _CLUSTERS,
        "clusterOfLeaf": (np.arange(_LEAVES) % _CLUSTERS).tolist(),
        "scores": {},
        "modalities": {},
    }
    (folder / "index.html").write_text(document(data, "many samples"), encoding="ascii")
    return folder / "index.html"


def measure(page: Path, frames: int) -> None:
    """Open a page in Chromium and print its measures."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.set_default_timeout(120_000)
        before = processor_times()
        tab.goto(page.as_uri())
        tab.wait_for_selector(".tile img")
        first = tab.evaluate("performance.getEntriesByType('paint').at(-1).startTime") / 1000
        tab.wait_for_timeout(1000)
        used = difference(processor_times(), before)
        print(f"first view: after {first:.2f} s; processor time {sum(used.values()):.2f} s")
        tab.get_by_role("button", name="Show all").first.click()
        tab.wait_for_timeout(1000)
        scroll(tab, frames, f"all of a cluster, {tab.locator('.tile').count()} tiles")
        tab.evaluate(_HIDE)
        scroll(tab, frames, "the same without any tile, what the browser itself takes")
        browser.close()


def scroll(tab: Any, frames: int, name: str) -> None:
    """Scroll and print the frames per second and the processor time of a frame."""
    before = processor_times()
    rate = tab.evaluate(_SCROLL, [_PIXELS, frames])
    used = difference(processor_times(), before)
    total, drawing = (1000 * seconds / frames for seconds in (sum(used.values()), used.get("renderer", 0)))
    print(f"{name}: {rate:.1f} frames/s, {total:.1f} ms of processor time a frame, {drawing:.1f} to draw")


def processor_times() -> dict[str, float]:
    """Return the seconds of processor time of the descendants of this process, by their type."""
    parents, facts = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
            words = Path("/proc", name, "cmdline").read_text()
        except OSError:  # it has ended
            continue
        parents[int(name)] = int(fields[1])
        kind = words.partition("--type=")[2].partition("\0")[0].partition(" ")[0] or "browser"
        facts[int(name)] = kind, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    found: dict[str, float] = {}
    for process, (kind, seconds) in facts.items():
        above = parents[process]
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid():
            found[kind] = found.get(kind, 0.0) + seconds
    return found


def difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    """Return the times between two calls of :func:`processor_times`."""
    return {kind: seconds - before.get(kind, 0.0) for kind, seconds in after.items()}


if __name__ == "__main__":
    main()
