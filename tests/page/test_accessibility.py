"""The page without a mouse, by a screen reader, in light and dark, and on narrow and wide screens."""

from __future__ import annotations

from typing import Any

import pytest

CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const pixel = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const linear = (value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const background = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const colour = pixel(getComputedStyle(at).backgroundColor);
      if (colour[3] > 200) return colour;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const each of document.querySelectorAll("body *")) {
    const text = [...each.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!each.checkVisibility() || each.disabled || !(text || each.placeholder)) continue;
    const pseudo = each.placeholder && !each.value ? "::placeholder" : null;
    const [a, b] = [pixel(getComputedStyle(each, pseudo).color), background(each)].map(luminance);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${each.tagName}.${each.className}`;
    found[name] = Math.min(ratio, found[name] ?? 99);
  }
  return found;
}"""
"""Contrast of each kind of text with its background, as WCAG 2 defines it."""
UNNAMED = """() => [...document.querySelectorAll("button, input, select, video, audio, img, canvas")]
  .filter((each) => each.checkVisibility() && each.getAttribute("aria-hidden") !== "true")
  .filter((each) => each.tagName !== "IMG" || !each.hasAttribute("alt"))
  .filter((each) => !(each.ariaLabel || each.labels?.length || each.textContent.trim()))
  .map((each) => each.outerHTML.slice(0, 100))"""


def views(tab: Any) -> list[str]:
    return [str(name) for name in tab.locator("#tabs button").all_text_contents()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_views_can_be_read_and_fit_the_screen(tab: Any, scheme: str) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.locator(".tile").first.click()
    for name in views(tab):
        tab.get_by_role("button", name=name, exact=True).click()
        found = tab.evaluate(CONTRASTS)
        assert len(found) > 5
        assert {kind: ratio for kind, ratio in found.items() if ratio < 4.5} == {}
        assert tab.evaluate(UNNAMED) == []
        for width in (360, 2560, 1280):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_it_is_used_without_a_mouse(tab: Any) -> None:
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(20):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id || document.activeElement.textContent"))
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached >= {"cut", "cut-method", "search", "export-csv", "help", *views(tab)}
    tab.focus("#cut")
    before = tab.locator("#cut-number").inner_text()
    tab.keyboard.press("ArrowRight")
    assert int(tab.locator("#cut-number").inner_text()) == int(before) + 1
    tab.focus("#view")  # keys of the page act outside of its fields
    tab.keyboard.press("3")
    tab.get_by_role("button", name="Right branch").focus()
    tab.keyboard.press("Enter")
    assert tab.locator(".walk .facts span").first.inner_text() != "24 samples"
