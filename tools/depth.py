"""Count the files and functions that a clustering pass and a training step run through.

Run: ``python -m tools.depth`` in the root of a checkout. It trains the demos of SeLaVi and SSPC for two
epochs, without worker processes, and profiles the first clustering pass and the last training step. Only
Python functions of this repository count, comprehensions and lambdas with the function that they are in.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path.cwd()
sys.path.insert(0, str(ROOT))

OPTIONS = (
    "--trainer.max_epochs=2",
    "--trainer.limit_train_batches=10",
    "--trainer.limit_val_batches=0",
    "--trainer.num_sanity_val_steps=0",
    "--trainer.enable_progress_bar=false",
    "--data.init_args.num_workers=0",
)


class Trace:
    """The functions of this repository that are called while it is active."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str]] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a function; see :func:`sys.setprofile`."""
        code = frame.f_code
        if (
            event == "call"
            and code.co_filename.startswith(f"{ROOT}{os.sep}")
            and ".venv" not in code.co_filename
        ):
            name = code.co_qualname.partition("<")[0].rstrip(".")
            if name:
                self.functions.add((code.co_filename.removeprefix(f"{ROOT}{os.sep}"), name))

    def profiled(self, function: Callable[..., Any], first: bool) -> Callable[..., Any]:
        """Return ``function``, of which the first call is traced, or the last."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if first and self.functions:
                return function(*args, **kwargs)
            self.functions = set()
            sys.setprofile(self)
            try:
                return function(*args, **kwargs)
            finally:
                sys.setprofile(None)

        return wrapper

    def report(self, title: str, listed: bool) -> None:
        """Print how many files and functions there were, and which."""
        files = {file for file, _ in self.functions}
        print(f"{title:16} {len(files):3} files {len(self.functions):4} functions")
        if listed:
            for file in sorted(files):
                names = sorted(name for where, name in self.functions if where == file)
                print(f"    {file}: {', '.join(names)}")


def trace(owner: type, method: str, demo: str, first: bool) -> Trace:
    """Run a demo while the first or the last call of a method is traced."""
    import cli

    found = Trace()
    setattr(owner, method, found.profiled(getattr(owner, method), first))
    with tempfile.TemporaryDirectory() as folder:
        config = f"configs/demo/{demo}.yaml"
        if cli.main(["fit", f"--config={config}", f"--trainer.default_root_dir={folder}", *OPTIONS]) != 0:
            raise SystemExit(f"{config} failed")
    return found


if __name__ == "__main__":
    import callbacks
    import lightning_modules

    listed = "--list" in sys.argv
    trace(callbacks.ClusteringPass, "run", "selavi", first=True).report("clustering pass", listed)
    trace(lightning_modules.SSPC, "training_step", "sspc", first=False).report("SSPC step", listed)
