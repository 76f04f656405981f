"""The index of clips as a file that the processes of a machine map into memory together."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.media.array_file import map_arrays, write_arrays
from unlabelled.data.media.entries import Entries
from unlabelled.data.media.index import ClipIndex
from unlabelled.data.media.storage import derived_folder

_log = logging.getLogger(__name__)

_COLUMNS = ("root", "entries", "durations")
_FACTS = [each.name for each in fields(ClipIndex) if each.name not in _COLUMNS]


class MappedIndex(ClipIndex):
    """A :class:`ClipIndex` whose columns are those of a file; a copy in another process maps it again."""

    file: str

    def __reduce__(self) -> tuple[Any, ...]:
        return map_index, (self.root, os.path.basename(self.file), False)


def share_index(index: ClipIndex) -> ClipIndex:
    """Write an index to ``<root>/.unlabelled/clips-<split>-<hash>.columns`` and return the mapped one.

    An equal file is used again, any other one is replaced. If none can be written, this is logged, and
    ``index`` itself is returned.
    """
    arrays = {**index.entries.columns(), "durations": index.durations}
    facts = {name: getattr(index, name) for name in _FACTS}
    digest = hashlib.sha256(json.dumps([index.fingerprint, facts]).encode())
    digest.update(index.durations.tobytes())
    split = re.sub(r"[^\w.-]", "_", index.split)
    name = f"clips-{split}-{digest.hexdigest()[:16]}.columns"
    try:
        path = os.path.join(derived_folder(index.root), name)
        facts["fingerprint"] = index.fingerprint
        is_known = _has(path, arrays, facts)
        if not is_known:
            write_arrays(path, arrays, facts)
        return map_index(index.root, name, check=not is_known)
    except (OSError, ValueError) as error:
        _log.warning("each process keeps a list of the clips of its own: %s", error)
        return index


def _has(path: str, arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> bool:
    """Return whether a file has these clips; one that has others is not believed, whatever its name."""
    try:
        stored, stored_facts = map_arrays(path)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        _log.warning("the clips are written again: %s", error)
        return False
    if stored_facts != json.loads(json.dumps(facts)) or stored.keys() != arrays.keys():
        return False
    return all(
        stored[name].dtype == each.dtype
        and np.array_equal(stored[name].view(np.uint8), np.ascontiguousarray(each).view(np.uint8))
        for name, each in arrays.items()
    )


def map_index(root: str, name: str, check: bool = True) -> MappedIndex:
    """Return the index of a file of :func:`share_index`.

    Args:
        root: Folder of the data set.
        name: Name of the file in its folder.
        check: Compare the file with its checksums.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is damaged.
    """
    path = os.path.join(derived_folder(root), name)
    arrays, facts = map_arrays(path, check)
    fingerprint, durations = facts.pop("fingerprint"), arrays.pop("durations")
    index = MappedIndex(root=root, entries=Entries.of(arrays), durations=durations, **facts)
    index.__dict__.update(file=path, fingerprint=fingerprint)  # known, not computed again
    return index
