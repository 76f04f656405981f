"""Small runs of the demos, in processes of their own that can be killed."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

import cli

DEMOS = Path("configs/demo")
_CLIPS = {"train_per_class": 3, "test_per_class": 2}
_SMALL: dict[str, dict[str, str | int]] = {  # three steps in an epoch
    "datamodules.Embedded": {"root": "embedded", **_CLIPS, "batch_size": 8},
    "datamodules.DrawnImages": {"root": "drawn", "train_per_class": 8, "val_per_class": 4, "batch_size": 32},
    "datamodules.EmbeddedFeatures": {
        "root": "features",
        "clips_root": "embedded",
        **_CLIPS,
        "train_videos": 48,
        "test_videos": 20,
        "batch_size": 16,
    },
}
_OTHER_SIZES = {"deepcluster_v2": {"batch_size": 9}}  # an epoch must have a sample for each cluster
_AT_ONCE = {"sspc": ["start=now"], "mcn": ["queue_size=64", "num_centroids=4"]}  # as in a long run
_INTERVAL = 2  # steps between two passes, or two updates of centroids, where that is a number of steps
_FOLDERS = ("root", "clips_root")
_IMPORTED_LATE = ("faiss", "scipy.optimize")  # by most runs
_LIMIT = 3600  # seconds after which a run hangs


def demos() -> list[str]:
    """Return the names of all demos."""
    return sorted(path.stem for path in DEMOS.glob("*.yaml"))


def options(demo: str, out: Path, epochs: int) -> list[str]:
    """Return the options of a small run of a demo; everything else is as shipped."""
    config = DEMOS / f"{demo}.yaml"
    content = yaml.safe_load(config.read_text("utf-8"))
    small = {**_SMALL[content["data"]["class_path"]], **_OTHER_SIZES.get(demo, {})}
    values = {name: out / "data" / str(each) if name in _FOLDERS else each for name, each in small.items()}
    first = out / "runs" / f"{encoders_of(demo)}_whole" / "checkpoints" / "last.ckpt"
    return [
        f"--config={config}",
        f"--config={_short_intervals(content, out / 'configs' / f'{demo}.yaml')}",
        *(f"--data.init_args.{name}={value}" for name, value in values.items()),
        *(f"--model.init_args.{option}" for option in _AT_ONCE.get(demo, [])),
        *([f"--model.init_args.encoder_checkpoint={first}"] if encoders_of(demo) else []),
        f"--trainer.max_epochs={epochs}",
        "--trainer.check_val_every_n_epoch=2",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={out / 'runs'}",
    ]


def encoders_of(demo: str) -> str | None:
    """Return the demo from whose checkpoint another one starts, if it does."""
    model = yaml.safe_load((DEMOS / f"{demo}.yaml").read_text("utf-8"))["model"]
    path = model["init_args"].get("encoder_checkpoint")
    return None if path is None else Path(path).parts[1].removesuffix("_demo")


def _short_intervals(content: dict[str, Any], path: Path) -> Path:
    """Write an overlay with what is done every so many steps, of which a small run has few."""
    callbacks = content["trainer"]["callbacks"]
    for options in (each.get("init_args", {}) for each in callbacks):
        if "every_n_steps" in options:
            options["every_n_steps"] = _INTERVAL
        schedule = options.get("schedule", {}).get("init_args", {})
        if "steps" in schedule:
            schedule["steps"] = _INTERVAL
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks}}), "utf-8")
    return path


def prepare(demo: str, out: Path, epochs: int) -> None:
    """Parse the configuration of a demo, so that its runs need not import what it names.

    Nothing is computed: a process with threads of OpenMP or of a loader must not be forked.
    """
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main(["fit", *options(demo, out, epochs), "--print_config"])


class Ended(NamedTuple):
    """Exit code and processor time of a run.

    Args:
        code: The exit code; None: it was killed.
        seconds: Processor time of its main process.
    """

    code: int | None
    seconds: float


def run(
    arguments: list[str],
    log: Path,
    kill_after: float | None = None,
    before: Callable[[], None] = lambda: None,
) -> Ended:
    """Call ``cli.py fit`` in another process, with the processes that it starts in a group.

    Args:
        arguments: The arguments.
        log: File that the output is appended to.
        kill_after: Processor time of the main process, in seconds, after which all of its processes are
            killed, which on a busy machine is at the same place as on another; None: they are not.
        before: Called in the process before the run.

    Raises:
        RuntimeError: The run does not end within an hour.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    process = os.fork()  # the libraries have been imported
    if process == 0:
        _child(arguments, log, before)
    ended, seconds, deadline = 0, 0.0, time.monotonic() + _LIMIT
    try:
        while not ended:
            seconds = _processor_time(process)
            if kill_after is not None and seconds >= kill_after:
                _kill_group(process)
            if time.monotonic() > deadline:
                raise RuntimeError(f"the run hangs: it did not end in {_LIMIT} s; see {log}")
            time.sleep(0.02)
            ended, status = os.waitpid(process, os.WNOHANG)
    finally:
        _kill_group(process)  # what outlives it, as on a machine that fails
    code = os.waitstatus_to_exitcode(status)
    return Ended(None if code == -signal.SIGKILL else code, seconds)


def _processor_time(process: int) -> float:
    """Return the processor time in seconds of a process that was not yet waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _child(arguments: list[str], log: Path, before: Callable[[], None]) -> None:
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not that of this tool
        before()
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
