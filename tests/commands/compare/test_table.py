"""The statistics and empty cells of the table, and TensorBoard's HParams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests._helpers.compare_folders import CONFIGS
from unlabelled.commands.compare.plan import Plan
from unlabelled.commands.compare.results import Result, load, read_scores
from unlabelled.commands.compare.table import Column, columns, markdown, write_hparams, write_table

PLAN = Plan(CONFIGS)


def result(value: float, seconds: float = 30.0) -> Result:
    frozen = {"kmeans/nmi_video": value, "knn_accuracy": value / 2}
    return Result("hash", ["video"], {"frozen": frozen}, seconds, 5.0)


def cells(text: str, row: str) -> dict[str, str]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (found,) = [line for line in lines if line[0] == row]
    return dict(zip(lines[0], found, strict=True))


def test_mean_and_deviation_over_seeds() -> None:
    values = [0.5, 0.6, 0.9]
    text = markdown({"A": [result(value) for value in values]}, {}, columns(epochs=15))
    row = cells(text, "A")
    assert row["NMI: video"] == f"**{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}**"
    assert row["k-NN: video"] == f"**{np.mean(values) / 2:.3f} ± {np.std(values, ddof=1) / 2:.3f}**"
    assert row["NMI: audio"] == row["NMI: both"] == row["k-NN: audio"] == row["cIoU"] == ""
    assert row["s / epoch"] == "2.0 ± 0.0"
    assert row["s in total"] == "35.0 ± 0.0"
    assert cells(markdown({"A": [result(0.5)]}, {}, columns(15)), "A")["NMI: video"] == "**0.500**"


def test_the_best_mean_and_those_within_its_deviation_are_bold() -> None:
    rows = {"best": [0.7, 0.9], "near": [0.7, 0.7], "far": [0.6, 0.65], "failed": []}
    shown = [Column("score", lambda each: each.score("frozen", "kmeans/nmi", "video"))]
    text = markdown(
        {name: [result(v) for v in values] for name, values in rows.items()}, {"failed": [1, 2]}, shown
    )
    bold = {name for name in rows if name != "failed" and cells(text, name)["score"].startswith("**")}
    assert bold == {"best", "near"}  # 0.8 - 0.141 = 0.659
    assert cells(text, "failed (failed: seed 1, 2)")["score"] == ""
    fewer = markdown({"two": [result(0.5)] * 2, "one": [result(0.5)], "none": []}, {}, shown)
    assert cells(fewer, "one (1 of 2 seeds)")["score"] == "**0.500**"
    assert cells(fewer, "none (0 of 2 seeds)")["score"] == ""


def test_the_modality_in_the_name_of_a_score() -> None:
    one = Result("", ["audio"], {"frozen": {"knn_accuracy": 0.4}}, 0.0, 1.0)
    assert one.score("frozen", "knn_accuracy", "audio") == 0.4
    assert one.score("frozen", "knn_accuracy", "video") is None
    assert one.score("frozen", "knn_accuracy", "both") is None
    two = Result("", ["video", "audio"], {"frozen": {"knn_accuracy_audio": 0.4, "x": 1.0}}, 0.0, 1.0)
    assert two.score("frozen", "knn_accuracy", "audio") == 0.4
    assert two.score("frozen", "x", "video") is None
    assert two.score("localisation", "ciou_mean") is None
    untrained = {column.title: column.value(one) for column in columns(15)}
    assert untrained["s / epoch"] is None


def test_results_of_other_configurations_are_ignored(tmp_path: Path) -> None:
    assert load(tmp_path, "hash") is None
    result(0.5).write(tmp_path)
    assert load(tmp_path, "hash") == result(0.5)
    assert load(tmp_path, "another") is None
    (tmp_path / "result.json").write_text('{"fingerprint": "hash"')
    assert load(tmp_path, "hash") is None


def test_report_and_hparams(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    methods = [PLAN.method("sela"), PLAN.method("moco")]
    results = {"sela": {1: result(0.5), 2: result(0.7)}, "moco": {}}
    write_table(tmp_path, PLAN, methods, results, {"moco": [1, 2]}, ["--seeds", "2"])
    text = (tmp_path / "table.md").read_text()
    assert "0.600 ± 0.141" in text
    assert "MoCo v2 (video) (failed: seed 1, 2)" in text
    assert "python -m unlabelled.commands.compare --seeds 2" in text
    for _ in range(2):  # the second call replaces the files of the first
        write_hparams(tmp_path, PLAN, methods, results)
    assert {path.name for path in (tmp_path / "hparams").iterdir()} == {"sela-seed1", "sela-seed2"}
    events = EventAccumulator(str(tmp_path / "hparams" / "sela-seed2"))
    events.Reload()
    assert events.Scalars("compare/NMI: video")[0].value == pytest.approx(0.7)
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_a_test_that_logged_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has logged no test/"):
        read_scores(tmp_path)
