"""Errors of a disk that is full or cannot be written to, and where there is no space."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

_NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
_TEXTS = re.compile("|".join(re.escape(os.strerror(number)) for number in _NUMBERS))
_FULL = 1 << 20  # bytes; a disk with less is called full
_SHARED_MEMORY = "/dev/shm"  # by which the processes of a loader pass on batches
_ADVICE = (
    "free space or write elsewhere (a run: --trainer.default_root_dir, copies and checks of data: "
    "XDG_CACHE_HOME); --ckpt_path last goes on from the last whole checkpoint"
)


def is_disk_error(error: BaseException) -> bool:
    """Return whether an error, or one that it was raised from, is that something cannot be written.

    >>> is_disk_error(OSError(errno.ENOSPC, "No space left on device"))
    True
    >>> is_disk_error(OSError(errno.ENOENT, "No such file or directory"))
    False
    """
    return any(
        getattr(each, "errno", None) in _NUMBERS or is_disk_text(str(each))
        for each in _chain(error)
        if isinstance(each, (OSError, RuntimeError))
    )


def is_disk_text(text: str) -> bool:
    """Return whether the message of an error, as of another process, is that something cannot be written."""
    return _TEXTS.search(text) is not None


def hide_in_threads() -> None:
    """Print no traceback of a disk error in a thread: TensorBoard's raises it again in the main thread."""
    previous = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is None or not is_disk_error(args.exc_value):
            previous(args)

    threading.excepthook = hook


def note_full(error: BaseException, folders: Iterable[str | Path]) -> None:
    """Add to an error of a disk what is full, and what to do.

    Args:
        error: Any error; another one is left as it is.
        folders: Folders that the run writes to; the temporary folder and shared memory are looked at too.
    """
    if not is_disk_error(error) or hasattr(error, "__notes__"):
        return
    places = dict.fromkeys(map(str, [*folders, tempfile.gettempdir(), _SHARED_MEMORY]))
    full = [place for place in places if _free(place) < _FULL]
    found = f"no space is left in {', '.join(full)}; " if full else ""
    error.add_note(found + _ADVICE)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _free(place: str) -> int:
    """Return the free bytes of the disk of a folder, which need not exist yet."""
    path = Path(place).absolute()
    for folder in (path, *path.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return _FULL
