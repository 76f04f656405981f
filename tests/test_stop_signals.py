"""Signals that stop a run, in its process and in those of its loaders."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time

import pytest

from unlabelled.stop_signals import STOP, StopSignals, stopped_by


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_process_unless_it_is_deferred(number: int, code: int) -> None:
    before = signal.getsignal(number)
    with STOP.handled(), pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == STOP.exit_code == code
    assert signal.getsignal(number) == before
    with STOP.handled():
        assert STOP.received is None
        STOP.deferred = True
        os.kill(os.getpid(), number)
        assert (STOP.received, STOP.exit_code) == (number, code)
    assert not STOP.deferred


def test_only_a_repeated_ctrl_c_ends_a_process_that_is_about_to_stop() -> None:
    signals = StopSignals()
    signals.deferred = True
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):  # a terminal and a scheduler in one second
        signals.handle(number)
    signals._time -= 2
    signals.handle(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        signals.handle(signal.SIGINT)
    assert ended.value.code == 130


def test_a_process_that_reads_is_ended_by_its_run_alone() -> None:
    context = multiprocessing.get_context("fork")
    ready, parent = context.Event(), os.getpid()

    def read() -> None:
        stopped_by(parent)
        ready.set()
        time.sleep(60)

    process = context.Process(target=read, daemon=True)
    process.start()
    assert ready.wait(30)
    for name in ("TERM", "INT"):
        subprocess.run(["kill", f"-{name}", str(process.pid)], check=True)
    process.join(0.5)
    assert process.is_alive()
    process.terminate()
    process.join(30)
    assert process.exitcode == 0


def test_processes_are_left_alone_where_signals_are_not_handled() -> None:
    assert StopSignals().worker_init() is None
