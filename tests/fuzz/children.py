"""Run a function on many values in a process that may crash or hang."""

from __future__ import annotations

import importlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tests.conftest import ROOT, environment

CRASH, HANG = "crash", "hang"
_READY, _START = "ready", 120.0  # seconds


def outcomes(work: str, values: Sequence[Any], timeout: float = 60) -> Iterator[str]:
    """Yield what a function returns for each value: a text, or :data:`CRASH` with the code, or :data:`HANG`.

    Args:
        work: ``module:function``.
        values: What JSON can hold.
        timeout: Seconds for one value.
    """
    child = None
    for value in values:
        child = child or _Child(work)
        outcome = child.ask(value, timeout)
        if outcome.startswith((CRASH, HANG)):
            child = None
        yield outcome
    if child is not None:
        child.end()


class _Child:
    def __init__(self, work: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.children", work],
            cwd=ROOT,
            env={**environment(), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._lines.get(timeout=_START) == f"{_READY}\n"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def ask(self, value: Any, timeout: float) -> str:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            self._process.kill()
            self._process.wait()
            return HANG
        except BrokenPipeError:
            line = ""
        return str(json.loads(line)) if line else f"{CRASH} (exit code {self._process.wait()})"

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def misbehave(value: str) -> str:
    """Crash or hang, as a decoder may, if the value is one of these words."""
    if value == CRASH:
        os.abort()
    while value == HANG:
        time.sleep(1)
    return value


def main(work: str) -> None:
    """Answer each line of stdin."""
    module, _, name = work.partition(":")
    function = getattr(importlib.import_module(module), name)
    answers, sys.stdout = sys.stdout, sys.stderr
    print(_READY, file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(function(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
