"""A fixture of all runs of the command line."""

from __future__ import annotations

from typing import Any

import pytest

import cli
from unlabelled.commands.runs.checks import is_listed, listed_metrics


@pytest.fixture(autouse=True)
def _all_metrics_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every metric of training and validation is in ``logs``, as it may be monitored."""

    def check(run: cli.CLI) -> None:
        trainer: Any = run.trainer
        listed = listed_metrics([run.model, *trainer.callbacks])
        logged = {*trainer.callback_metrics, *trainer.logged_metrics}
        assert not [name for name in sorted(logged) if listed is not None and not is_listed(name, listed)]

    for command in ("fit", "validate"):
        monkeypatch.setattr(cli.CLI, f"after_{command}", check, raising=False)
