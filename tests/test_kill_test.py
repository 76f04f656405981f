"""The comparison and the table of ``tools.kill_test``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from datamodules.base import SampleDataModule
from tools.kill_test.comparison import differences
from tools.kill_test.readers import READERS, SHIPPED, Readers
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


def test_the_tables_of_a_page_are_replaced(tmp_path: Path) -> None:
    results = [
        {"demo": "sce", "label": label, "equal": equal, "commit": "abc"}
        for label, equal in {"step": True, "random0": True, "random1": False}.items()
    ]
    others: list[dict[str, Any]] = [
        {"workers": 0, "start": "fork"},
        {"workers": 1, "start": "spawn"},
        {"workers": 2, "start": "fork", "renewed": True},
    ]
    results += [{"demo": "sce", "label": "step", "equal": True, "commit": "abc", **each} for each in others]
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- kill-test: begin -->\nold\n<!-- kill-test: end -->\nafter\n")
    write_table(page, results)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| `sce` | 1 of 1 | | | | | | 1 of 2 |" in text
    assert "| Demo | 0 | 1 | 2 | 4 | 1-spawn | 1-forkserver | 2-renewed |" in text
    assert "| `sce` | 1 of 1 | | | | 1 of 1 | | 1 of 1 |" in text
    assert "In all 5 of 6 runs are equal. Commit abc;" in text
    assert table(results) in text
    assert "old" not in text
    page.write_text("without marks")
    with pytest.raises(ValueError, match="has no lines"):
        write_table(page, results)


def test_readers_are_identified_by_a_row_of_results_and_are_options_of_a_run() -> None:
    for name, readers in READERS.items():
        assert readers.name == name
        assert Readers.of({"demo": "sce", "equal": True, **readers._asdict()}) == readers
    assert Readers.of({"demo": "sce", "label": "step", "workers": None, "start": "fork"}) == SHIPPED
    assert READERS["1-spawn"].options() == [
        "--data.init_args.num_workers=1",
        "--data.init_args.multiprocessing_context=spawn",
    ]
    assert SHIPPED.options() == []


def test_renewed_readers_end_with_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []

    def loader(_: Any, persistent: bool = False) -> None:
        made.append(persistent)

    monkeypatch.setattr(SampleDataModule, "_loader", loader)
    READERS["2"].prepare()
    SampleDataModule._loader("data", persistent=True)  # type: ignore[call-arg]
    READERS["2-renewed"].prepare()
    SampleDataModule._loader("data", persistent=True)  # type: ignore[call-arg]
    assert made == [True, False]
