"""The page in a real browser, opened from disk."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from tests._helpers import small_page
from unlabelled.hierarchy import Tree
from unlabelled.page.document import document


def _reload_until(tab: Any, expected: list[int]) -> None:
    """Reload until the page has the labels: Chromium hands the storage on to its other processes in time."""
    for _ in range(60):
        tab.reload()
        tab.wait_for_selector(".tile img")
        if sizes(tab) == expected:
            return
        tab.wait_for_timeout(500)


def sizes(tab: Any) -> list[int]:
    """Return the numbers of samples of the clusters that are shown."""
    return [
        int(each.split()[0]) for each in tab.locator(".cluster .facts span:first-child").all_text_contents()
    ]


def until(tab: Any, condition: str) -> None:
    """Wait until a condition holds; Playwright's own function would be refused by the policy of the page."""
    for _ in range(200):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(100)
    raise AssertionError(f"after 20 s: not {condition}")


def set_cut(tab: Any, number: int) -> None:
    tab.locator("#cut").fill(str(number))


def exported(tab: Any, kind: str, folder: Path) -> Path:
    with tab.expect_download() as download:
        tab.click(f"#export-{kind}")
    path = folder / f"labels.{kind}"
    download.value.save_as(path)
    return path


def test_names_are_text(tab: Any) -> None:
    names = " ".join(tab.locator(".tile").evaluate_all("tiles => tiles.map((tile) => tile.ariaLabel)"))
    assert "<script>document.title='bad'<&script>.mp4" in names
    assert "\N{HEBREW LETTER ALEF}" in names
    assert tab.title() == 'A "page" <of> files'
    assert "<b> " in tab.locator(".cluster").first.inner_text()
    assert tab.locator("main b, main script").count() == 0


def test_the_slider_merges_and_splits_clusters(tab: Any) -> None:
    assert sizes(tab) == [12, 12]
    for number in (6, 3, 2):
        set_cut(tab, number)
        assert len(sizes(tab)) == number
        assert sum(sizes(tab)) == 24
        assert tab.locator("#cut-number").inner_text() == str(number)
    tab.keyboard.press("Escape")
    tab.locator("h1").click()
    tab.keyboard.press("+")
    assert len(sizes(tab)) == 3
    tab.click("#cut-method")
    assert len(sizes(tab)) == 2


def test_videos_play_on_hover_and_in_the_details(tab: Any) -> None:
    tab.locator(".tile.video").first.hover()
    until(tab, "document.querySelector('.tile video')?.currentTime > 0.2")
    tab.locator(".tile.video").nth(1).click()
    until(tab, "document.querySelector('#detail video')?.currentTime > 0.2")
    assert tab.evaluate("document.querySelector('#detail video').muted") is False
    assert tab.locator("#detail dd").first.inner_text().startswith("Cluster ")
    assert tab.locator("#detail .tile").count() == 8
    tab.keyboard.press("Escape")
    assert tab.locator("#detail").is_hidden()
    tab.locator(".tile.audio").first.click()
    until(tab, "document.querySelector('#detail audio')?.currentTime > 0.2")
    tab.locator(".tile.image").first.click()
    until(tab, "document.querySelector('#detail img.big').naturalWidth === 32")


def test_names_moves_and_junk_survive_a_reload_and_are_exported(tab: Any, tmp_path: Path) -> None:
    named = 'cats, "dogs"\N{CAT FACE}'
    tab.locator(".cluster-name").first.fill(named)
    tab.locator(".cluster-name").first.press("Enter")
    assert tab.evaluate("document.activeElement.className") == "cluster-name"
    first, moved, third = (
        tab.locator(".cluster")
        .first.locator(".tile")
        .evaluate_all("tiles => tiles.slice(0, 3).map((tile) => tile.dataset.row)")
    )
    tab.click(f"#view .tile[data-row='{moved}']")
    other = tab.locator("#detail select option").last.get_attribute("value")
    tab.select_option("#detail select", other)
    tab.focus(f"#view .tile[data-row='{first}']")
    tab.keyboard.press("j")
    tab.focus(f"#view .tile[data-row='{third}']")
    tab.keyboard.press("j")
    tab.click("#undo")
    assert sizes(tab) == [10, 13]
    _reload_until(tab, [10, 13])
    assert sizes(tab) == [10, 13]
    assert tab.locator(".cluster-name").first.input_value() == named
    with exported(tab, "csv", tmp_path).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["label"] for line in lines].count(named) == 10
    assert (lines[int(moved)]["moved"], lines[int(moved)]["label"]) == ("true", "")
    assert (lines[int(first)]["junk"], lines[int(first)]["label"]) == ("true", "")
    assert lines[int(third)]["label"] == named
    content = json.loads(exported(tab, "json", tmp_path).read_text(encoding="utf-8"))
    assert [each["name"] for each in content["names"]] == [named]
    assert sum(each["label"] == named for each in content["samples"]) == 10


def test_the_map_selects_and_the_tree_is_walked(tab: Any) -> None:
    tab.click("nav button >> nth=1")
    box = tab.locator("canvas.map").bounding_box()
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.02)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    tab.mouse.move(*places[0])
    tab.mouse.down()
    for place in places[1:]:
        tab.mouse.move(*place, steps=5)
    tab.mouse.up()
    assert tab.locator(".selection").inner_text().startswith("24 selected")
    tab.click("nav button >> nth=2")
    assert tab.locator(".dendrogram .node").count() == 11
    assert tab.locator(".disk .node").count() == 11
    tab.get_by_role("button", name="Left branch").click()
    part = int(tab.locator(".walk .facts span").first.inner_text().split()[0])
    assert 0 < part < 24
    tab.get_by_role("button", name="Up").click()
    assert tab.locator(".walk .facts span").first.inner_text() == "24 samples"


def press(tab: Any, *keys: str) -> str:
    """Press keys one after the other; return what is announced."""
    for key in keys:
        tab.keyboard.press(key)
    return str(tab.locator("#status").inner_text())


def place_on_map(tab: Any, row: int) -> tuple[float, float]:
    """Return the place of a sample in pixels of the whole map."""
    x, y = small_page.page_data(Path(tab.url.removeprefix("file://")).parent)["positions"][row]
    box = tab.locator("canvas.map").bounding_box()
    return 14 + x * (box["width"] - 28), 14 + y * (box["height"] - 28)


def test_the_map_is_zoomed_and_a_click_finds_the_sample_there(tab: Any) -> None:
    tab.click("nav button >> nth=1")
    canvas = tab.locator("canvas.map")
    x, y = place_on_map(tab, 5)
    canvas.click(position={"x": x, "y": y})
    assert tab.locator("#detail .path").inner_text() == "0/square.png"
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.className") == "map"
    x, y = place_on_map(tab, 5)
    canvas.hover(position={"x": x, "y": y})
    assert tab.locator(".tip").inner_text() == "square.png"
    for _ in range(2):  # the sample under the pointer stays there
        tab.mouse.wheel(0, -400)
    canvas.click(position={"x": x, "y": y})
    assert tab.locator("#detail .path").inner_text() == "0/square.png"
    tab.keyboard.press("Escape")
    tab.keyboard.down("Shift")
    tab.mouse.down()
    box = canvas.bounding_box()
    tab.mouse.move(box["x"] + x - 90, box["y"] + y - 60, steps=3)  # moves the map
    tab.mouse.up()
    tab.keyboard.up("Shift")
    assert tab.locator(".selection .tile").count() == 0
    canvas.click(position={"x": x - 90, "y": y - 60})
    assert tab.locator("#detail .path").inner_text() == "0/square.png"
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Whole map").click()
    canvas.click(position=dict(zip("xy", place_on_map(tab, 4), strict=True)))
    assert tab.locator("#detail .path").inner_text() == "0/tone.wav"


def test_the_map_selects_by_keys(tab: Any) -> None:
    tab.keyboard.press("2")
    tab.locator("#search").focus()
    for _ in range(20):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.className") == "map":
            break
    assert tab.locator(".overlay circle").count() == 1
    assert "% across, " in press(tab, "ArrowLeft")
    assert press(tab, "Enter") == "Corner 1, a loop has three at least."
    assert press(tab, "Backspace") == "There is no corner."
    right, left, down, up = ([f"Shift+Arrow{way}"] * 20 for way in ("Right", "Left", "Down", "Up"))
    corners = press(tab, *left, *up, "Enter", *right, "Enter", *down, "Enter", *left, "Enter")
    assert corners == "Corner 4; Space selects."
    assert press(tab, " ").startswith("24 samples are selected")
    assert tab.locator(".selection").inner_text().startswith("24 selected")
    x, y = place_on_map(tab, 0)
    found = press(tab, *up, *["ArrowRight"] * round(x / 16), *["ArrowDown"] * round(y / 16))
    assert found.endswith(("Cluster 1", "Cluster 2"))
    count = int(found.partition(": ")[2].split()[0])
    assert 0 < count < 24
    assert press(tab, " ").startswith(f"{count} samples are selected")  # in the circle
    place = found.partition(":")[0]
    assert press(tab, "PageUp").startswith(place)  # the place under the cursor stays
    assert press(tab, "Home").startswith(place)
    assert press(tab, "+") == "3 clusters"
    assert tab.evaluate("document.activeElement.className") == "map"
    press(tab, "d")
    assert tab.locator("#detail").is_visible()


def test_details_have_the_audio_and_the_place_of_its_source(tab: Any) -> None:
    video = tab.locator(".tile.video:has(.sound-map)").first
    assert video.locator(".sound-map").is_hidden()
    tab.click("#maps")
    assert video.locator(".sound-map").is_visible()
    video.click()
    until(tab, "document.querySelector('#detail .sound-map').naturalWidth > 0")
    until(tab, "document.querySelector('#detail .spectrogram img').naturalWidth === 240")
    until(tab, "document.querySelector('#detail .playhead').offsetLeft > 20")
    tab.evaluate("document.querySelector('#detail video').pause()")
    tab.locator("#detail .spectrogram").click(position={"x": 5, "y": 5})
    until(tab, "document.querySelector('#detail .playhead').offsetLeft < 12")


def test_own_files_and_another_run_have_views(tab: Any) -> None:
    tab.get_by_role("button", name="Own files").click()
    assert tab.locator(".query").count() == 2
    assert tab.locator(".query .path").first.inner_text().endswith("own <i>.mp4, 0 to 1 s")
    assert tab.locator(".query").nth(0).locator(".tile").first.get_attribute("data-row") == "3"
    until(tab, "document.querySelector('.query video').readyState > 1")
    tab.locator(".query .cluster-head button").first.click()
    assert tab.evaluate("document.activeElement.closest('.cluster') !== null")
    tab.get_by_role("button", name="Comparison").click()
    assert "23 of 24 samples are in both runs" in tab.locator("#view").inner_text()
    assert tab.locator("#view h2").inner_text() == "Compared with other <b>"
    shares = tab.locator("#view .shares li").all_inner_texts()
    assert "cluster 1 of other <b>: 10 of its 10 samples" in shares
    moved = tab.locator(".cluster .tile").evaluate_all("tiles => tiles.map((tile) => tile.dataset.row)")
    assert sorted(moved) == ["2", "8"]
    set_cut(tab, 6)
    assert tab.locator("#view .cluster").count() == 6
    tab.keyboard.press("Escape")
    tab.locator("h1").click()
    tab.keyboard.press("4")
    assert tab.locator(".query").count() == 2


def test_arrows_move_and_search_finds(tab: Any) -> None:
    tab.locator(".tile").first.focus()
    before = tab.evaluate("document.activeElement.dataset.row")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.activeElement.dataset.row") != before
    tab.keyboard.press("Enter")
    assert tab.locator("#detail").is_visible()
    tab.keyboard.press("Escape")
    tab.keyboard.press("/")
    tab.keyboard.type("TONE")
    until(tab, "document.querySelectorAll('#view .tile').length === 4")
    assert tab.evaluate(
        "[...document.querySelectorAll('button')].every((each) => each.ariaLabel || each.innerText)"
    )


def test_it_fits_a_phone(tab: Any) -> None:
    tab.set_viewport_size({"width": 360, "height": 700})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360


def large_data(count: int, leaves: int) -> dict[str, Any]:
    """Return the data of a page without previews, whose tree is a chain."""
    rng = np.random.default_rng(0)
    tree = Tree([[0, 1], *([leaves + merge, merge + 2] for merge in range(leaves - 2))])
    nothing = [""] * count
    return {
        "title": "large", "root": "", "id": "large", "names": [f"a/{row:06}.mp4" for row in range(count)],
        "starts": [0] * count, "ends": [3] * count, "splits": nothing, "missing": nothing,
        "labels": [-1] * count, "classes": [], "confidences": rng.random(count).round(4).tolist(),
        "leaves": (np.arange(count) % leaves).tolist(), "near": [[0]] * count,
        "positions": rng.random((count, 2)).round(4).tolist(), "kinds": ["none"] * count,
        "thumbnails": nothing, "media": nothing, "merges": tree.merges.tolist(),
        "heights": tree.heights.tolist(), "order": tree.leaf_order.tolist(),
        "disk": [[0, 0]] * tree.num_nodes, "clusters": 2, "clusterOfLeaf": [0] * leaves, "scores": {},
        "modalities": {}, "spectrograms": [0] * count,
    }  # fmt: skip


def test_of_many_samples_few_tiles_exist(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(document(large_data(20_000, 20), "large"), encoding="ascii")
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto(path.as_uri())
    tab.wait_for_selector(".tile")
    for number in (20, 2):
        set_cut(tab, number)
        assert tab.locator(".cluster").count() == number
        assert tab.locator(".tile").count() < 700
    tab.get_by_role("button", name="Show all").first.click()
    until(tab, "document.querySelectorAll('.chunk.filled .tile').length > 40")
    assert tab.locator(".tile").count() < 1000
    tab.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    until(tab, "[...document.querySelectorAll('.chunk.filled')].some((each) => each.offsetTop > 9000)")
    until(tab, "document.querySelectorAll('.tile').length < 700")  # those far from the window are gone
    height = tab.evaluate("document.documentElement.scrollHeight")
    tab.evaluate("scrollTo(0, 0)")
    until(tab, "document.querySelector('.chunk .tile') !== null")
    assert tab.evaluate("document.documentElement.scrollHeight") == height
    tab.close()
