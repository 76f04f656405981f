"""One run of a sweep: ``fit``, ``test`` and the scores, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from unlabelled.commands.compare.results import read_scores
from unlabelled.commands.sweep.plan import ROOT, Cell, Sweep
from unlabelled.data.media.storage import write_atomically


@dataclass(frozen=True)
class CellRun:
    """The training and the test of a cell.

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
        try:
            content = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        found: dict[str, float] | None = (
            content["scores"] if content["fingerprint"] == self.cell.fingerprint else None
        )
        return found

    def complete(self) -> dict[str, float] | None:
        """Train and test, unless that is done; return the scores, or ``None`` after a failure."""
        if (known := self.scores()) is not None:
            return known
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        started = time.monotonic()
        checkpoint = self.folder / "checkpoints" / f"{self.sweep.checkpoint}.ckpt"
        if not (self._call("fit") and self._call("test", f"--ckpt_path={checkpoint}")):
            return None
        scores = {**read_scores(self.folder / "test"), "seconds": time.monotonic() - started}
        content = {"fingerprint": self.cell.fingerprint, "options": self.cell.options, "scores": scores}
        text = json.dumps(content, indent=1) + "\n"
        write_atomically(str(self.folder / "result.json"), lambda file: file.write(text.encode()))
        return scores

    def _call(self, command: str, *more: str) -> bool:
        """Run a command of ``cli.py`` on one core; return whether it succeeded."""
        folders = [f"--trainer.default_root_dir={self.folder.parent}", f"--run={self.folder.name}"]
        options = [*self.cell.options, f"--seed_everything={self.cell.seed}", *folders, *more]
        with (self.folder / f"{command}.txt").open("w", encoding="utf-8") as file:
            done = subprocess.run(
                [sys.executable, "cli.py", command, *options],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        return done.returncode == 0
