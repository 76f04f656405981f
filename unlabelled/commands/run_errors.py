"""Which errors of a run are the user's to mend, and how to say them in one line.

An error that our code (or Lightning's) raised with a ``raise`` statement was written for the user. One that
came out of Python or torch was not foreseen: its traceback is needed.
"""

from __future__ import annotations

import dis
import os
import re
from types import TracebackType

TRACEBACK_VARIABLE = "UNLABELLED_TRACEBACK"
_OURS = ("unlabelled", "lightning_modules", "datamodules", "callbacks")
_SPEAK_TO_USERS = (*_OURS, "lightning", "torch.optim")
_RANK_VARIABLES = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
_WORKER = "DataLoader worker process"


def traceback_wanted() -> bool:
    """Return whether the environment variable ``UNLABELLED_TRACEBACK=1`` asks for tracebacks."""
    return os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0")


def line_for_user(error: BaseException, also: tuple[type[BaseException], ...] = ()) -> str | None:
    """Return ``error: ...`` in one line, or ``None`` for a bug.

    Args:
        error: Caught, with its traceback.
        also: More classes of errors that are always meant for the user.
    """
    text = str(error)
    if _WORKER in text:
        words = _from_worker(text)
    elif isinstance(error, also) or _is_ours(type(error)) or _is_foreseen(error):
        words = text
    else:
        words = None
    return f"error{_rank()}: {' '.join(words.split())}" if words is not None else None


def _is_ours(kind: type) -> bool:
    return kind.__module__.split(".")[0] in _OURS


def _is_foreseen(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.filename is not None:
        return True
    if not isinstance(error, (ValueError, TypeError, OSError, ImportError)) or error.__traceback__ is None:
        return False
    last = _last(error.__traceback__)
    module = str(last.tb_frame.f_globals.get("__name__", ""))
    return f"{module}.".startswith(tuple(f"{name}." for name in _SPEAK_TO_USERS)) and _raises(last)


def _last(traceback: TracebackType) -> TracebackType:
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback


def _raises(traceback: TracebackType) -> bool:
    """Return whether the line is a ``raise`` statement, as opposed to ``int("x")`` and the like."""
    return dis.opname[traceback.tb_frame.f_code.co_code[traceback.tb_lasti]] == "RAISE_VARARGS"


def _from_worker(text: str) -> str | None:
    """Return the last line of the traceback that a DataLoader's worker sent, by the same rules."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    begins = [n for n, line in enumerate(lines) if line.startswith('File "')]
    match = re.match(r"([\w.]+): (.*)", lines[-1])
    if match is None or not begins:
        return None
    kind, words = match.groups()
    raised = lines[begins[-1] + 1].startswith("raise ")
    foreseen = kind in ("ValueError", "OSError", "FileNotFoundError") and raised
    return words if kind.split(".")[0] in _OURS or foreseen else None


def _rank() -> str:
    rank = next((os.environ[name] for name in _RANK_VARIABLES if name in os.environ), "0")
    return "" if rank == "0" else f" (rank {rank})"
