"""A process that hangs ends the run within the limit, with its rank and the step, and leaves no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests._helpers.commands import EVERY_EPOCH, command
from tests.conftest import ROOT, environment


def test_the_rank_and_the_step_are_named(tiny_root: Path, tiny_overlay: Path, tmp_path: Path) -> None:
    options = [
        "--config=configs/trainer/cpu_ddp2.yaml",
        "--data.init_args.batch_size=3",
        "--trainer.callbacks+=tests._helpers.hanging.Hang",
        "--trainer.callbacks.rank=1",
        "--trainer.callbacks.step=2",
        "--rank_timeout.seconds=3",
    ]
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *options, schedule=EVERY_EPOCH)
    process = subprocess.Popen(
        [sys.executable, "cli.py", *arguments],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 1
        line = err.strip().splitlines()[-1]
        assert line.startswith("error")
        assert "rank 0 waited 3 s in step 2 (epoch 0, counted from 0) for rank 1; " in line
        assert _ends(process.pid)
    finally:
        if not _ends(process.pid, seconds=0):
            os.killpg(process.pid, signal.SIGKILL)


def _ends(group: int, seconds: float = 10) -> bool:
    """Return whether all processes of a group end within some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
