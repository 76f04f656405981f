"""Small runs of the demos, in processes of their own that can be killed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import yaml

import cli

DEMOS = Path("configs/demo")
_SMALL = {
    "datamodules.Embedded": {"root": "embedded", "train_per_class": 8, "test_per_class": 3},
    "datamodules.DrawnImages": {"root": "drawn", "train_per_class": 24, "val_per_class": 8},
    "datamodules.EmbeddedFeatures": {
        "root": "features",
        "clips_root": "embedded",
        "train_per_class": 8,
        "test_per_class": 3,
        "train_videos": 96,
        "test_videos": 20,
    },
}
_FOLDERS = ("root", "clips_root")


def demos() -> list[str]:
    """Return the names of all demos."""
    return sorted(path.stem for path in DEMOS.glob("*.yaml"))


def options(demo: str, out: Path, epochs: int) -> list[str]:
    """Return the options of a small run of a demo; everything else is as shipped."""
    config = DEMOS / f"{demo}.yaml"
    small = _SMALL[yaml.safe_load(config.read_text("utf-8"))["data"]["class_path"]]
    values = {name: out / "data" / str(each) if name in _FOLDERS else each for name, each in small.items()}
    return [
        f"--config={config}",
        *(f"--data.init_args.{name}={value}" for name, value in values.items()),
        f"--trainer.max_epochs={epochs}",
        "--trainer.check_val_every_n_epoch=2",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={out / 'runs'}",
    ]


def run(arguments: list[str], log: Path, kill_after: float | None = None, start: str = "fork") -> int | None:
    """Call ``cli.py fit`` in another process, with the processes that it starts in a group.

    Args:
        arguments: The arguments.
        log: File that the output is appended to.
        kill_after: Seconds until all of its processes are killed; None: they are not.
        start: How it starts processes that read.

    Returns: The exit code; None: it was killed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    process = os.fork()  # the libraries have been imported
    if process == 0:
        _child(arguments, log, start)
    deadline = None if kill_after is None else time.monotonic() + kill_after
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            break
        if deadline is not None and time.monotonic() > deadline:
            _kill_group(process)
            deadline = None
        time.sleep(0.02)
    _kill_group(process)  # what outlives it, as on a machine that fails
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def _child(arguments: list[str], log: Path, start: str) -> None:
    code = 1
    try:
        os.setsid()
        multiprocessing.set_start_method(start, force=True)
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = cli.main(["fit", *arguments])
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _kill_group(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
