"""The predictions of a run: those that it has, or new ones by ``cli.py predict``."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unlabelled.commands.runs.child import run_child
from unlabelled.commands.runs.folders import CHECKPOINTS, FIT
from unlabelled.environment import experiment_root

ROOT = experiment_root(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class Predictions:
    """Files that one call of ``predict`` has written.

    Args:
        table: ``predictions.csv``.
        features: The folder of ``features_<modality>.npy`` and ``paths.txt``.
    """

    table: Path
    features: Path


def find_predictions(run: Path) -> Predictions | None:
    """Return the newest predictions of a run that have features; None: there are none.

    Args:
        run: The folder of the run, or of one call of ``predict``.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not run.is_dir():
        raise FileNotFoundError(f"there is no folder {run}; expected that of a run, such as runs/selavi_demo")
    found = []
    for table in [*run.glob("predictions.csv"), *run.glob("predict*/predictions.csv")]:
        names = sorted(table.parent.glob("*/paths.txt"))
        found += [
            Predictions(table, each.parent) for each in names if any(each.parent.glob("features_*.npy"))
        ]
    return max(found, key=lambda each: each.table.stat().st_mtime, default=None)


def predict(run: Path, checkpoint: str | None = None) -> Predictions | None:
    """Predict the clusters and features of all samples of a run, by a command that is printed.

    Args:
        run: The folder of the run.
        checkpoint: The checkpoint; None: ``best.ckpt`` of the run, else ``last.ckpt``.

    Returns: None: the command failed, and printed why.

    Raises:
        FileNotFoundError: The run has no configuration or no checkpoint.
    """
    return find_predictions(run) if run_cli("predict", predict_options(run, checkpoint)) == 0 else None


def run_cli(command: str, options: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Print a command of ``cli.py`` and run it in the current folder; return its exit code.

    Raises:
        KeyboardInterrupt: Ctrl-C has ended it.
        SystemExit: SIGTERM has.
    """
    print(f"python cli.py {shlex.join([command, *options])}", flush=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    program = [sys.executable, str(ROOT / "cli.py"), command, *options]
    return run_child(program, {**os.environ, "PYTHONPATH": path, **(environment or {})})


def predict_options(run: Path, checkpoint: str | None = None) -> list[str]:
    """Return the options of ``cli.py predict`` that write a run's predictions and features.

    Raises:
        FileNotFoundError: The run has no configuration or no checkpoint.
    """
    config = run / FIT / "config.yaml"
    if not config.is_file():
        raise FileNotFoundError(
            f"{run} has no predictions with features, and no {FIT}/config.yaml to make them"
        )
    if checkpoint is None:
        names = [run / CHECKPOINTS / f"{name}.ckpt" for name in ("best", "last")]
        checkpoint = str(next((path for path in names if path.is_file()), ""))
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f"there is no checkpoint {checkpoint or f'in {run / CHECKPOINTS}'}")
    options = [
        f"--config={config}",
        f"--ckpt_path={checkpoint}",
        "--data.init_args.predict_split=all",
        f"--trainer.default_root_dir={run.parent}",
        f"--run={run.name}",
    ]
    content = config.read_text("utf-8")
    callbacks = ("callbacks.ClusterPredictions", "callbacks.ExportFeatures")
    return options + [f"--trainer.callbacks+={name}" for name in callbacks if name not in content]
