"""A command in a process of its own, to which signals are passed on."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType


def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command and return its exit code; a training that a signal stops writes its checkpoint first.

    ``subprocess.run`` kills its process a quarter of a second after Ctrl-C.

    Raises:
        KeyboardInterrupt: Ctrl-C has ended the command.
        SystemExit: SIGTERM has; the code is 143.
    """
    with subprocess.Popen(command, env=environment) as process, _passed_on(process) as received:
        code = process.wait()
    if signal.SIGINT in received and code != 0:
        raise KeyboardInterrupt
    if signal.SIGTERM in received:
        raise SystemExit(128 + signal.SIGTERM)
    return code


@contextlib.contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on to a process, and yield the list of those that were received.

    A terminal sends SIGINT to the process, too; :mod:`unlabelled.stop_signals` takes both as one.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only that thread may handle signals
        yield received
        return

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        process.send_signal(number)

    previous = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
