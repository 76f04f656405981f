"""Folders of runs: ``ROOT/NAME``, and ``ROOT/NAME/version_1``, ... for later runs of the same name.

In the folder of a run there are ``checkpoints``, and a folder with the output of each command: ``fit``,
``test``, ``test_1`` for a second test, ``fit_1`` for a resumed training.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = "runs"
"""Parent of the folders of runs, where no ``trainer.default_root_dir`` is given."""
CHECKPOINTS = "checkpoints"
FIT = "fit"
_LOGS = ("events.out.tfevents.*", "hparams.yaml", "metrics.csv")  # written before the training begins
_RECORDS = ("config*.yaml", "environment*.txt")


@dataclass(frozen=True)
class RunFolder:
    """The folders of one command of a run.

    Args:
        root: Parent of the folders of all runs.
        run: Folder of the run.
        output: Folder of the command's output, a folder of ``run``.
    """

    root: Path
    run: Path
    output: Path

    @property
    def name(self) -> str:
        """Name of the run with its version."""
        return self.run.relative_to(self.root).as_posix()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.run / CHECKPOINTS

    def remove_unused(self, failed: bool = False) -> None:
        """Remove the output of a command that ended before it began, which has no file but a new log.

        Args:
            failed: It ended by an error before its first step: its configuration is no reason to keep it.
        """
        files = [path for path in self.output.rglob("*") if not path.is_dir()]
        patterns = (*_LOGS, *_RECORDS) if failed else _LOGS
        if all(any(path.match(pattern) for pattern in patterns) for path in files):
            shutil.rmtree(self.output, ignore_errors=True)
            if self.run.is_dir() and not any(self.run.iterdir()):
                self.run.rmdir()


def checked_name(name: str) -> str:
    """Return the name of a run.

    Raises:
        ValueError: It is no relative path of a folder.
    """
    path = Path(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"run: expected a name, got {name!r}; --trainer.default_root_dir is the folder of all runs"
        )
    return name


def versions(base: Path) -> list[Path]:
    """Return the existing runs of a name in their order; ``base`` is the folder of the first."""
    numbers = sorted(
        int(path.name.partition("_")[2])
        for path in base.glob("version_*")
        if re.fullmatch(r"version_\d+", path.name) and path.is_dir()
    )
    found = [base / f"version_{number}" for number in numbers]
    return [base, *found] if _in_use(base) else found


def new_run(root: Path, base: Path) -> RunFolder:
    """Create the folder of a new run; of several processes at a time each gets its own."""
    last = versions(base)[-1:]
    first = 0 if not last else 1 if last == [base] else int(last[0].name.partition("_")[2]) + 1
    for number in itertools.count(first):
        run = base / f"version_{number}" if number else base
        try:
            (run / FIT).mkdir(parents=True)
        except FileExistsError:
            continue
        return RunFolder(root, run, run / FIT)
    raise AssertionError("unreachable")


def output_of(root: Path, run: Path, command: str) -> RunFolder:
    """Create the folder of another command of a run."""
    for number in itertools.count():
        output = run / (f"{command}_{number}" if number else command)
        try:
            output.mkdir(parents=True)
        except FileExistsError:
            continue
        return RunFolder(root, run, output)
    raise AssertionError("unreachable")


def run_of(checkpoint: Path) -> Path | None:
    """Return the folder of the run whose checkpoint a file is; None: it is in no folder of checkpoints."""
    folder = checkpoint.resolve().parent
    return folder.parent if folder.name == CHECKPOINTS else None


def find_checkpoints(folders: list[Path], name: str) -> list[Path]:
    """Return the files ``NAME.ckpt``, ``NAME-v1.ckpt``, ... in some folders."""
    return [
        path
        for folder in folders
        for path in folder.glob(f"{name}*.ckpt")
        if re.fullmatch(rf"{re.escape(name)}(-v\d+)?", path.stem)
    ]


def preempted_checkpoints(run: Path) -> list[Path]:
    """Return the checkpoints that Lightning wrote when SLURM ended a job of the run."""
    return list(run.glob(f"{FIT}*/hpc_ckpt_*.ckpt"))


def newest(checkpoints: Iterable[Path]) -> Path | None:
    """Return the file that was written last, or None."""
    return max(checkpoints, key=lambda path: path.stat().st_mtime, default=None)


def _in_use(run: Path) -> bool:
    checkpoints = run / CHECKPOINTS
    return (run / FIT).exists() or (checkpoints.is_dir() and any(checkpoints.iterdir()))
