"""The comparison and the table of ``tools.kill_test``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from tools.kill_test.comparison import differences
from tools.kill_test.table import table, write_table


def run(folder: Path, scores: dict[int, list[float]], **content: Any) -> Path:
    """Write the checkpoint of a run, and a metric by folder number and step."""
    (folder / "checkpoints").mkdir(parents=True)
    checkpoint = {"state_dict": {"weight": torch.arange(3.0)}, "dirpath": str(folder), **content}
    torch.save(checkpoint, folder / "checkpoints" / "last.ckpt")
    for number, values in scores.items():
        writer = SummaryWriter(str(folder / (f"fit_{number}" if number else "fit")))
        for step, value in enumerate(values, 10 * number):
            writer.add_scalar("val/loss", value, step)
            writer.add_scalar("data/clips_per_second", 1 + number, step)
        writer.close()
    return folder


def test_runs_are_equal_but_for_folders_and_speeds(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", {0: [3.0, 2.0, 1.0]}, optimizer_states=[{"step": torch.tensor(3.0)}])
    equal = run(tmp_path / "equal", {0: [3.0, 9.0]}, optimizer_states=[{"step": torch.tensor(3.0)}])
    assert differences(whole, equal) == ["val/loss"]
    resumed = run(tmp_path / "on", {0: [3.0], 1: [1.0]}, optimizer_states=[{"step": torch.tensor(3.0)}])
    whole_later = run(tmp_path / "later", {1: [1.0]}, optimizer_states=[{"step": torch.tensor(3.0)}])
    assert differences(whole_later, resumed) == []
    other = run(tmp_path / "other", {1: [1.0]}, optimizer_states=[{"step": torch.tensor(4.0)}], labels=1)
    assert differences(whole_later, other) == ["optimizer_states/0/step", "labels"]


def test_the_table_of_a_page_is_replaced(tmp_path: Path) -> None:
    results = [
        {"demo": "sce", "label": label, "equal": equal, "commit": "abc"}
        for label, equal in {"step": True, "random0": True, "random1": False}.items()
    ]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- kill-test: begin -->\nold\n<!-- kill-test: end -->\nafter\n")
    write_table(page, results)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| `sce` | 1 of 1 | | | | | | 1 of 2 |" in text
    assert "In all 2 of 3 runs are equal. Commit abc;" in text
    assert table(results) in text
    assert "old" not in text
    page.write_text("without marks")
    with pytest.raises(ValueError, match="has no lines"):
        write_table(page, results)
