"""The shipped sweeps: each command of each run parses, and published numbers are where the paper has them."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import pytest

from tests._helpers.parsing import ROOT, parse
from unlabelled.commands.sweep.plan import Sweep, read_sweep
from unlabelled.commands.sweep.steps import steps_of

SWEEPS = sorted((ROOT / "configs" / "sweeps").glob("*.yaml"))
ADDED = (
    "--seed_everything=",
    "--trainer.default_root_dir=",
    "--run=",
    "--ckpt_path=",
    "--model.init_args.encoder_checkpoint=",
)
"""Options that the command adds to those of the file."""


@functools.cache
def parsed(*arguments: str) -> Any:
    return parse(*arguments)


def lines(sweep: Sweep) -> list[list[str]]:
    """Return command lines that name each option: those of all rows, for all columns or for each.

    To parse a line takes half a second; options of several rows in one line are checked one by one.
    """
    rows = list(dict.fromkeys(option for options in sweep.rows.values() for option in options))
    command = "test" if sweep.checkpoint is None else "fit"
    columns = list(sweep.columns.values())
    if not any(option.startswith("--config=") for options in columns for option in options):
        columns = [[option for options in columns for option in options]]
    protocols = [["test", *protocol.options] for protocol in sweep.protocols.values()]
    return [[command, *sweep.base, *options, *rows] for options in columns] + protocols


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_each_option_of_each_run_parses(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sweep = read_sweep(path)
    for line in lines(sweep):
        parsed(*line)
    cells = sweep.cells()
    assert len({cell.options for cell in cells}) * len(sweep.seeds) == len(cells)  # no run is there twice


def test_the_lines_have_each_option_of_each_step() -> None:
    for path in SWEEPS:
        sweep = read_sweep(path)
        known = {option for line in lines(sweep) for option in line}
        for cell in sweep.cells():
            for step in steps_of(sweep, cell, Path("out")):
                assert {option for option in step.options if not option.startswith(ADDED)} <= known


LOGGED_BY = {
    "accuracy": {"LinearProbe", "FineTune"},
    "transfer_score": {"TransferEvaluation"},
    **{f"train_{name}": {"ClusterEvaluation"} for name in ("nmi", "ari", "accuracy", "entropy", "purity")},
}


@pytest.mark.parametrize(
    "path", [path for path in SWEEPS if "published:" in path.read_text()], ids=lambda path: path.stem
)
def test_published_scores_are_logged_by_the_configurations(path: Path) -> None:
    sweep = read_sweep(path)
    assert sweep.published.keys() == set(sweep.scores)
    for score in sweep.scores:
        protocol = sweep.protocol_of(score)
        options = [option for options in (sweep.base, *sweep.columns.values()) for option in options]
        if protocol is not None:
            options = sweep.protocols[protocol].options
        files = [option.removeprefix("--config=") for option in options if option.startswith("--config=")]
        named = {name for file in files for name in re.findall(r"\.(\w+)$", (ROOT / file).read_text(), re.M)}
        assert named & LOGGED_BY[score.rpartition("/")[2]]
