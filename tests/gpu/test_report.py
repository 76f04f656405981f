"""The report of ``make gpu-report`` on the processor, at tiny sizes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tools.gpu_report import __main__ as command
from tools.gpu_report.recipes import RECIPES, ROOT
from tools.gpu_report.timing import Device


def test_the_page_has_each_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "RECIPES", [each for each in RECIPES if each.name in ("SSPC", "DMC")])
    page = tmp_path / "gpu.md"
    assert command.main(["--device", "cpu", "--small", "--no-tests", "--write", str(page)]) == 0
    rows = [line.split(" | ") for line in page.read_text().splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows] == ["| Recipe", "| SSPC", "| DMC"]
    assert all(len(row) == len(rows[0]) for row in rows)
    for row in rows[1:]:
        assert float(row[1]) > 0
        shares = [float(each.strip(" |%")) for each in row[5:]]
        assert sum(shares) == pytest.approx(100, abs=0.5)


def test_what_does_not_fit_or_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("out of memory\nand more")

    monkeypatch.setattr(command, "measure", broken)
    device = Device("cpu")
    lines = list(command.report(device, small=True, tests=False, end=time.monotonic() + 60))
    assert lines[-1] == "| DMC | failed: out of memory"
    assert "not run, as the time was over" in list(command.report(device, True, False, end=0.0))[-1]


def test_each_recipe_and_demo_exists() -> None:
    for recipe in RECIPES:
        assert (ROOT / "configs" / "recipes" / f"{recipe.config}.yaml").is_file()
        assert (ROOT / "configs" / "demo" / f"{recipe.demo}.yaml").is_file()
