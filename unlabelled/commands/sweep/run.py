"""One run of a sweep: its commands and its scores, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlabelled.commands.compare.results import read_scores
from unlabelled.commands.sweep.plan import ROOT, Cell, Sweep
from unlabelled.commands.sweep.steps import Step, steps_of
from unlabelled.data.media.storage import read_record, write_atomically

_DONE = "steps.json"


@dataclass(frozen=True)
class CellRun:
    """The training and the tests of a cell.

    Args:
        sweep: The sweep.
        cell: The cell.
        out: Folder of the sweep's output; the run's is a folder of it.
    """

    sweep: Sweep
    cell: Cell
    out: Path

    @property
    def folder(self) -> Path:
        """The output folder of the run."""
        return self.cell.folder(self.out)

    def scores(self) -> dict[str, float] | None:
        """Return the scores of a completed run with the same configuration, or ``None``."""
        content = self._stored("result.json")
        return None if content is None else content["scores"]

    def complete(self) -> dict[str, float] | None:
        """Run the commands that are not done; return the scores, or ``None`` after a failure.

        A ``fit`` that was interrupted goes on from its last checkpoint.
        """
        if (known := self.scores()) is not None:
            return known
        seconds: dict[str, float] | None = (self._stored(_DONE) or {}).get("seconds")
        if seconds is None:  # none of this configuration
            shutil.rmtree(self.folder, ignore_errors=True)
            seconds = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._store(_DONE, {"seconds": seconds})
        steps = steps_of(self.sweep, self.cell, self.out)
        for step in steps:
            if step.name in seconds:
                continue
            started = time.monotonic()
            if not self._call(step):
                return None
            seconds[step.name] = time.monotonic() - started
            self._store(_DONE, {"seconds": seconds})
        scores = self._read(steps) | {"seconds": sum(seconds.values())}
        self._store("result.json", {"options": self.cell.options, "scores": scores})
        return scores

    def _read(self, steps: list[Step]) -> dict[str, float]:
        scores: dict[str, float] = {}
        for step in steps:
            if step.command == "test":
                prefix = "" if step.protocol is None else f"{step.protocol}/"
                found = read_scores(step.folder / "test")
                scores |= {f"{prefix}{name}": value for name, value in found.items()}
        return scores

    def _call(self, step: Step) -> bool:
        """Run a command of ``cli.py`` on one core; return whether it succeeded."""
        options = list(step.options)
        if step.command == "fit" and step.last_checkpoint.is_file():
            options.append(f"--ckpt_path={step.last_checkpoint}")
        if step.command == "test":
            shutil.rmtree(step.folder / "test", ignore_errors=True)  # of a test that failed
        with (self.folder / f"{step.name}.txt").open("w", encoding="utf-8") as file:
            done = subprocess.run(
                [sys.executable, "cli.py", step.command, *options],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        return done.returncode == 0

    def _stored(self, name: str) -> dict[str, Any] | None:
        """Return a file of the run's folder, or ``None`` if it is of another configuration."""
        content = read_record(self.folder / name) or {}
        return content if content.get("fingerprint") == self.cell.fingerprint else None

    def _store(self, name: str, content: dict[str, Any]) -> None:
        text = json.dumps({"fingerprint": self.cell.fingerprint, **content}, indent=1) + "\n"
        write_atomically(str(self.folder / name), lambda file: file.write(text.encode()))
