"""A share of ``make fuzz``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.__main__ import ALLOWED, KINDS
from tests.fuzz.children import CRASH, HANG, outcomes

SHARES = {"media files": 0.012, "configurations (YAML)": 0.02}


@pytest.mark.parametrize("title", KINDS)
def test_no_mutated_file_ends_or_stops_a_process(title: str, tmp_path: Path) -> None:
    fuzz, number = KINDS[title]
    found = list(fuzz(round(SHARES.get(title, 0.15) * number), 3, tmp_path))
    assert len(found) >= 4
    assert any(outcome.startswith("refused") for _, outcome in found)
    assert not [each for each in found if not each[1].startswith(ALLOWED)]


def test_a_child_that_crashes_or_hangs_is_noticed() -> None:
    values = ["a", "crash", "b", "hang", "c"]
    found = list(outcomes("tests.fuzz.children:misbehave", values, timeout=3))
    assert found == ["a", f"{CRASH} (exit code -6)", "b", HANG, "c"]
