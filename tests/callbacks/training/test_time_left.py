"""The time that a training still takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.demos.boring_classes import BoringModel

from callbacks.training import time_left
from callbacks.training.time_left import TimeLeft
from tests._helpers.embedding_modules import trainer


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines that are logged; each epoch takes a minute."""
    logged: list[str] = []
    times, dates = iter(range(0, 60_000, 60)), iter(range(60, 60_000, 60))
    clock = SimpleNamespace(monotonic=lambda: float(next(times)), time=lambda: float(next(dates)))
    monkeypatch.setattr(time_left, "time", clock)
    monkeypatch.setattr(time_left, "rank_zero_info", logged.append)
    return logged


def fit(callback: TimeLeft, **options: Any) -> None:
    trainer(callback, limit_train_batches=1, limit_val_batches=0, **options).fit(BoringModel())


def test_it_is_that_of_the_epochs_that_are_left(lines: list[str]) -> None:
    fit(TimeLeft(every_n_seconds=100, seconds_after=30), max_epochs=5)
    assert lines == ["2 of 5 epochs, about 3.5 minutes left", "4 of 5 epochs, about 1.5 minutes left"]


def test_it_is_at_most_the_time_of_the_run(lines: list[str]) -> None:
    fit(TimeLeft(), max_epochs=3, max_time="00:00:00:30")
    assert lines[0] == "1 of 3 epochs, about 0.5 minutes left"
    with pytest.raises(ValueError, match="every_n_seconds=0 and"):
        TimeLeft(every_n_seconds=0)


def test_it_stops_in_time_for_what_follows_at_the_speed_of_the_epochs(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(time_left.DEADLINE, "600")
    fit(TimeLeft(seconds_after=100, seconds_per_epoch=30), max_epochs=100)
    # Epochs take twice the time, so that 200 of the 600 seconds are kept; the sixth epoch ends at 360.
    assert lines[-2:] == [
        "the training stops, so that what follows ends in the time that was promised",
        "6 of 100 epochs, about 4.0 minutes left",
    ]
