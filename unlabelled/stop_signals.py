"""Signals that stop a run: SIGTERM of a scheduler, SIGINT of Ctrl-C.

While a run trains, a signal is only recorded, and the training stops at the end of a step, where a checkpoint
is complete. At any other time the process ends at once.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

_AGAIN = 1.0  # seconds: a scheduler may send a signal to a process and to its parent, which passes it on


class StopSignals:
    """The signals that have asked this process to stop.

    Attributes:
        received: Number of the first signal; None: there was none.
        deferred: Whether a signal is recorded, rather than ending the process.
        active: Whether signals are handled.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.deferred = self.active = False
        self._time = 0.0
        self._previous: dict[int, Any] = {}

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT; at the end end the processes that this one has started."""
        if threading.get_ident() != threading.main_thread().ident:  # only that thread may handle signals
            yield
            return
        self.received, self.deferred, self.active = None, False, True
        for number in (signal.SIGTERM, signal.SIGINT):
            self.add(number)
        try:
            yield
        finally:
            self.deferred = self.active = False
            while self._previous:
                signal.signal(*self._previous.popitem())
            if self.exit_code:
                _end_children()

    def add(self, number: int) -> None:
        """Handle another signal as well, until :meth:`handled` ends."""
        self._previous.setdefault(number, signal.signal(number, self.handle))

    def handle(self, number: int, frame: FrameType | None = None) -> None:
        """Record a signal, or end the process with the exit code 128 + ``number``.

        Ctrl-C ends the process at once if it is repeated; further SIGTERMs are ignored.

        Raises:
            SystemExit: The process ends.
        """
        first, now = self.received is None, time.monotonic()
        if first:
            self.received, self._time = number, now
        if not self.deferred:
            self._exit()
        if first:
            _print(f"{signal.Signals(number).name}: the run stops after this step and writes a checkpoint\n")
        elif number == signal.SIGINT and now - self._time > _AGAIN:
            self._exit()

    def _exit(self) -> NoReturn:
        raise SystemExit(self.exit_code)

    @property
    def exit_code(self) -> int:
        """Exit code of a stopped process: 128 + number of the signal; 0 without a signal.

        >>> signals = StopSignals()
        >>> signals.deferred = True
        >>> signals.handle(signal.SIGTERM)
        >>> signals.exit_code
        143
        """
        return 128 + self.received if self.received else 0

    def worker_init(self) -> Callable[[int], Any] | None:
        """Return the function by which the processes of a loader ignore these signals, if handled here.

        A terminal or a scheduler sends a signal to all processes of a job. Those of the loader would end in
        the middle of a step; they end when this process ends them.
        """
        known = hasattr(signal, "sigwaitinfo")  # macOS does not state who sent a signal
        return functools.partial(stopped_by, os.getpid()) if self.active and known else None


def stopped_by(process: int, worker: int = 0) -> None:
    """Ignore SIGINT, and SIGTERM unless a given process sends it, in this process.

    Args:
        process: Number of the process.
        worker: Number of this process among those of a loader.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_when_sent_by, args=(process,), daemon=True).start()


def _end_when_sent_by(process: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != process:
        pass
    os._exit(0)


def _end_children() -> None:
    for child in multiprocessing.active_children():
        child.kill()


def _print(text: str) -> None:
    """Write to stderr; the stream's own method may not be called in a handler of a signal."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode())


STOP = StopSignals()
"""The signals of this process."""
