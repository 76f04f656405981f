"""Record of the commands of a plan that are done, so that a call that was interrupted goes on."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from unlabelled.commands.discover.plan import RUN, Plan
from unlabelled.commands.page.predictions import Predictions, find_predictions, run_cli
from unlabelled.data.media.storage import read_record, write_atomically

DEADLINE = "UNLABELLED_DEADLINE"
"""Environment variable by which :class:`callbacks.TimeLeft` knows when all must be done."""


@dataclass
class Progress:
    """The commands of a plan in the output folder of ``discover``.

    Args:
        plan: The plan.
        out: The folder.
    """

    plan: Plan
    out: Path

    @property
    def is_trained(self) -> bool:
        """True if an earlier call has ended the training."""
        return self._state().get("fit") == "done"

    def complete(self) -> Predictions | None:
        """Train and predict, as far as that is not done; return None after a failure."""
        options, predicting = self.plan.fit_options(self.out), self.plan.predict_options(self.out)
        begun = self._state()
        resumed = begun.get("fit") in ("begun", "done")
        if begun.get("fit") != "done":
            self._set("begun", "")
            deadline = {DEADLINE: f"{time.time() + self.plan.seconds:.0f}"}
            if run_cli("fit", [*options, "--ckpt_path=last"] if resumed else options, deadline) != 0:
                return None
            self._set("done", "")
        if begun.get("predict") != "done":
            if run_cli("predict", predicting) != 0:
                return None
            self._set("done", "done")
        run = self._newest_run()
        found = find_predictions(run) if run.is_dir() else None
        if found is None:
            raise FileNotFoundError(f"{self.out} has no predictions with features; delete it")
        return found

    def _newest_run(self) -> Path:
        base = self.out / "runs" / RUN
        tables = base.rglob("predictions.csv")
        newest = max(tables, key=lambda path: path.stat().st_mtime, default=base / "predict" / "none")
        return newest.parent

    @property
    def _key(self) -> str:
        """Options that a resumed run shares: method, files and clusters; it may be given more time."""
        return shlex.join(self.plan.options(self.out))

    def _state(self) -> dict[str, str]:
        content = read_record(self.out / "progress.json") or {}
        return content if content.get("options") == self._key else {}

    def _set(self, fit: str, predict: str) -> None:
        text = json.dumps({"options": self._key, "fit": fit, "predict": predict}, indent=1) + "\n"
        self.out.mkdir(parents=True, exist_ok=True)
        write_atomically(str(self.out / "progress.json"), lambda file: file.write(text.encode()))
