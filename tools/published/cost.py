"""Costs of trainings and evaluations in days of a GPU, from docs/published/costs.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tools.published.commands import content_of, find, origins
from tools.published.tables import FOLDER, Evaluation, Row, Run, read

_FORWARD, _TRAINED = 2, 6  # operations per multiply-add: one each, and twice as many again for the gradients
_SECONDS = 86_400


@dataclass(frozen=True)
class Passes:
    """Passes of one sample of an epoch through networks.

    Args:
        samples: Samples of an epoch.
        trained: How often each network is passed forward and backward.
        forward: How often each network is passed only forward.
        epochs: Number of epochs; None: that of the configuration.
    """

    samples: int
    trained: Mapping[str, float]
    forward: Mapping[str, float]
    epochs: int | None = None


@cache
def content() -> Any:
    """Return the file of the costs."""
    return read(FOLDER / "costs.yaml")


def _passes(kind: str, key: str, *names: str) -> Passes | None:
    """Return the entry of the first of some names that has one."""
    for name in names:
        for entry in content()[kind]:
            if name in entry[key]:
                parts = entry.get("trained", {}), entry.get("forward", {}), entry.get("epochs")
                return Passes(entry["samples"], *parts)
    return None


def _of_run(run: Run) -> Passes:
    passes = _passes("trainings", "runs", *(f"{run.recipe} {each}" for each in run.options), run.recipe)
    if passes is None:
        raise ValueError(f"docs/published/costs.yaml: there is no entry of the recipe {run.recipe!r}")
    return passes


def training_days(run: Run) -> float:
    """Return the cost of a training and of those that it starts from."""
    runs = [*origins(run), run]
    return sum(days(_of_run(each), _epochs(find(each.recipe, "recipes"), each.options)) for each in runs)


def evaluation_days(run: Run, evaluation: Evaluation) -> float:
    """Return the cost of an evaluation; 0 if it only tests."""
    passes = _passes("evaluations", "protocols", evaluation.config)
    if passes is None:
        return 0.0
    encoder = next(iter(_of_run(run).trained))
    trained, forward = (
        {encoder if name == "encoder" else name: times for name, times in each.items()}
        for each in (passes.trained, passes.forward)
    )
    epochs = passes.epochs or _epochs(find(evaluation.config, "protocols"), evaluation.options)
    return days(Passes(passes.samples, trained, forward), epochs)


def row_days(row: Row) -> tuple[float, float] | None:
    """Return the cost of the training of a row and that of its evaluations; None: nothing is trained."""
    if row.run is None:
        return None
    run = row.run
    return training_days(run), sum(evaluation_days(run, each) for each in row.evaluations)


def days(passes: Passes, epochs: int) -> float:
    """Return the days of a GPU that some epochs take."""
    gpu, networks = content()["gpu"], content()["networks"]
    operations = sum(
        factor * times * networks[name]["gmacs"] * 1e9
        for factor, each in ((_TRAINED, passes.trained), (_FORWARD, passes.forward))
        for name, times in each.items()
    )
    return float(epochs * passes.samples * operations / (gpu["peak"] * gpu["share"] * _SECONDS))


def _epochs(path: Path, options: tuple[str, ...]) -> int:
    given = [each.partition("=")[2] for each in options if each.startswith("--trainer.max_epochs=")]
    return int(given[-1]) if given else int(content_of(path)["trainer"]["max_epochs"])
