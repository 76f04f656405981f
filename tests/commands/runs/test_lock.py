"""Two trainings do not write to one folder of checkpoints."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from unlabelled.commands.runs.lock import locked


def holder(folder: Path) -> int:
    """Return a process that holds the lock of a folder until it is killed."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        with locked(folder):
            os.write(write, b"x")
            signal.pause()
        os._exit(0)
    os.read(read, 1)
    return process


def test_a_second_training_is_refused_until_the_first_one_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    process = holder(folder)
    try:
        with (
            pytest.raises(ValueError, match=rf"checkpoints: another training .*\(process {process} of"),
            locked(folder),
        ):
            pass
        with locked(tmp_path / "run" / "other"):
            pass
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    with locked(folder):  # what the killed process left does not matter
        assert [path.name for path in folder.parent.iterdir()] == [".checkpoints.lock"]
    assert not list(folder.parent.iterdir())


def test_the_lock_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path / "checkpoints"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
