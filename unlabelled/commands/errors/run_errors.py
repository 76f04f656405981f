"""Return errors of a run that the user can correct as one line.

An error that a ``raise`` statement of this repository, Lightning or ``torch.optim`` raises is written for the
user. Any other error is a bug, which requires the traceback.
"""

from __future__ import annotations

import dis
import os
import re
from types import TracebackType

from unlabelled.commands.errors.disk import is_disk_error, is_disk_text

TRACEBACK_VARIABLE = "UNLABELLED_TRACEBACK"
_OWN_PACKAGES = ("unlabelled", "lightning_modules", "datamodules", "callbacks")
_RAISE_FOR_USERS = (*_OWN_PACKAGES, "lightning", "torch.optim")
_RANK_VARIABLES = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
_WORKER = "DataLoader worker process"
_ONE_VALUE = "Expected more than 1 value per channel when training"  # torch's BatchNorm


def traceback_wanted() -> bool:
    """Return whether tracebacks are requested by the environment variable ``UNLABELLED_TRACEBACK=1``."""
    return os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0")


def line_for_user(error: BaseException, also: tuple[type[BaseException], ...] = ()) -> str | None:
    """Return ``error: ...`` in one line, or ``None`` for a bug.

    Args:
        error: A caught error, with its traceback.
        also: Additional classes of errors that are always for the user.

    >>> line_for_user(FileNotFoundError(2, "No such file or directory", "a.csv"))
    "error: [Errno 2] No such file or directory: 'a.csv'"
    >>> line_for_user(KeyError("a bug")) is None
    True
    """
    error = _of_constructor(error)
    text: str | None = str(error)
    if _WORKER in str(error):
        text = _from_worker(str(error))
    elif _ONE_VALUE in str(error):
        text = (
            "BatchNorm has one value per channel and so no variance: a step of training has a single sample; "
            "give --data.init_args.batch_size 2 or more"
        )
    elif not (isinstance(error, also) or _is_own(type(error).__module__) or _is_for_users(error)):
        text = None
    if text is None:
        return None
    return f"error{_rank()}: {' '.join('; '.join([text, *getattr(error, '__notes__', [])]).split())}"


def _of_constructor(error: BaseException) -> BaseException:
    """Return the error of a constructor where jsonargparse has raised another one from it, as for Unions."""
    while error.__cause__ is not None and _raised_in(error).startswith("jsonargparse."):
        error = error.__cause__
    return error


def _is_own(module: str) -> bool:
    return module.split(".")[0] in _OWN_PACKAGES


def _is_for_users(error: BaseException) -> bool:
    if (isinstance(error, OSError) and error.filename is not None) or is_disk_error(error):
        return True
    if not isinstance(error, (ValueError, TypeError, OSError, ImportError)) or error.__traceback__ is None:
        return False
    in_code_for_users = f"{_raised_in(error)}.".startswith(tuple(f"{name}." for name in _RAISE_FOR_USERS))
    return in_code_for_users and _raises(_innermost(error.__traceback__))


def _raised_in(error: BaseException) -> str:
    """Return the name of the module that an error was raised in."""
    if error.__traceback__ is None:
        return ""
    return str(_innermost(error.__traceback__).tb_frame.f_globals.get("__name__", ""))


def _innermost(traceback: TracebackType) -> TracebackType:
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback


def _raises(traceback: TracebackType) -> bool:
    """Return whether the line is a ``raise`` statement, not an expression such as ``int("x")``."""
    return dis.opname[traceback.tb_frame.f_code.co_code[traceback.tb_lasti]] == "RAISE_VARARGS"


def _from_worker(text: str) -> str | None:
    """Return the error in the traceback that a worker of a DataLoader sent, or ``None`` for a bug."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    begins = [number for number, line in enumerate(lines) if line.startswith('File "')]
    match = re.match(r"([\w.]+): (.*)", lines[-1])
    if match is None or not begins:
        return None
    name, text = match.groups()
    raised = lines[begins[-1] + 1].startswith("raise ")
    for_users = name in ("ValueError", "OSError", "FileNotFoundError") and (raised or is_disk_text(text))
    return text if _is_own(name) or for_users else None


def _rank() -> str:
    rank = next((os.environ[name] for name in _RANK_VARIABLES if name in os.environ), "0")
    return "" if rank == "0" else f" (rank {rank})"
