from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from unlabelled.commands.runs.child import run_child

PROGRAM = """
import os, signal, sys, time
def stop(number, frame):
    time.sleep(0.6)  # a step and its checkpoint
    sys.exit(128 + number)
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, stop)
os.kill(os.getppid(), int(sys.argv[1]))
time.sleep(20)
"""


def test_the_exit_code_is_that_of_the_command() -> None:
    assert run_child([sys.executable, "-I", "-c", "import sys; sys.exit(7)"], os.environ) == 7


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_is_passed_on_and_the_command_ends_by_itself(
    number: int, error: type[BaseException]
) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    watch = threading.Timer(15, os._exit, [9])  # not a test that waits for ever
    watch.start()
    with pytest.raises(error):
        run_child([sys.executable, "-I", "-c", PROGRAM, str(int(number))], os.environ)
    watch.cancel()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
