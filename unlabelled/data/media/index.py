"""Index of the usable clips of a data set; files are probed once, results are stored beside the data."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.entries import Entries, Entry
from unlabelled.data.media.probe import MISSING, Probe
from unlabelled.data.media.probe_pool import probe_many
from unlabelled.data.media.probe_results import ProbeResults
from unlabelled.data.media.reader import NO_AUDIO
from unlabelled.data.media.storage import short_hash_of
from unlabelled.data.media.streams import NO_VIDEO

# A process takes 0.3 s to start, as long as probing about a hundred short clips.
_FILES_PER_WORKER = 32
_CHUNK = 1 << 12  # clips whose keys are hashed at once

__all__ = [
    "ClipIndex",
    "EmptyIndexError",
    "Entry",
    "Requirements",
    "build_index",
    "index_entries",
    "usable_cores",
]


@dataclass(frozen=True)
class Requirements:
    """Streams that a clip must have, and their smallest duration in seconds.

    Attributes:
        video: Whether a video stream is required.
        audio: Whether an audio stream is required.
        min_duration: Smallest duration in seconds.
    """

    video: bool = True
    audio: bool = True
    min_duration: float = 0.0


class EmptyIndexError(ValueError):
    """No sample of a split is usable.

    Args:
        message: The error in one line.
        holds: Modalities that all files have, where another one is required; empty: not known.
    """

    def __init__(self, message: str, holds: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.holds = frozenset(holds)


@dataclass(frozen=True)
class ClipIndex:
    """The usable clips of one split, in columns of 32 bytes a clip, and 8 bytes and the name for each file.

    Attributes:
        root: Folder that the paths are relative to.
        split: Name of the list, such as ``train``.
        entries: The usable clips, in the order of the list.
        durations: ``(N,)`` float64, their durations in seconds.
        left_out: Reason by path of the unusable ones.
        listed: Number of entries in the list.
        cache_file: File with the complete result.
        without_audio: Reason by path of usable clips that have no audio, where it is not required.
        details: What is wrong with a file in full, by path; of usable ones, how their headers err.
        late: Second at which all required streams have begun, by path, where one of them is late.
        backend: Name of the reader's backend, whose frames were compared; empty: there is none.
        unproved: By path, why PyAV reads the frames of a usable file in place of the backend.
    """

    root: str
    split: str
    entries: Entries
    durations: NDArray[np.float64]
    left_out: dict[str, str]
    listed: int
    cache_file: str = field(default="", compare=False)
    without_audio: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    late: dict[str, float] = field(default_factory=dict)
    backend: str = ""
    unproved: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of 16 hexadecimal digits of the usable clips, their order and labels."""
        return short_hash_of(_json_keys(self.entries))

    def summary(self) -> str:
        """Return one line: the numbers of usable and left out clips, with reasons and five names each."""
        text = f"{self.split}: {len(self)} of {self.listed} clips usable"
        if self.entries.is_span.any():
            text += f", parts of {self.entries.num_files} files"
        if self.without_audio:
            text += f"; {len(self.without_audio)} without audio, but kept: {_describe(self.without_audio)}"
        text += self._remarks()
        if not self.left_out:
            return text
        text += f"; left out {self.listed - len(self)}: {_describe(self.left_out, self.details)}"
        return text + (f"; full list in {self.cache_file}" if self.cache_file else "")

    def _remarks(self) -> str:
        """Return what is unusual about usable clips."""
        errs = {path: "header errs" for path in self.details if path not in self.left_out}
        late = dict.fromkeys(self.late, "begin late")
        seconds = {path: f"from {second:.2f} s" for path, second in self.late.items()}
        text = f"; usable, but {_describe(errs, self.details)}" if errs else ""
        text += f"; usable, but {_describe(late, seconds)}" if late else ""
        if self.backend:
            text += (
                f"; {self.backend} reads the frames of {len(self.proved)}, PyAV those of {len(self.unproved)}"
            )
            text += f": {_describe(self.unproved)}" if self.unproved else ""
        return text

    @property
    def proved(self) -> list[str]:
        """The files, in full, whose frames the backend reads."""
        if not self.backend:
            return []
        return [f"{self.root}/{path}" for path in self.entries.paths if path not in self.unproved]


def _json_keys(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the JSON of the list of the clips' keys in parts."""
    yield "["
    for start in range(0, len(entries), _CHUNK):
        text = json.dumps([entry.key for entry in entries[start : start + _CHUNK]])
        yield (", " if start else "") + text[1:-1]
    yield "]"


def _describe(left_out: dict[str, str], details: Mapping[str, str] | None = None) -> str:
    """Return the reasons, most frequent first: ``truncated 2 (a.mp4: its video stops at 4 s, b.mp4)``."""
    names = defaultdict(list)
    for path, reason in left_out.items():
        detail = (details or {}).get(path)
        names[reason].append(f"{path}: {detail}" if detail else path)
    frequent_first = sorted(names.items(), key=lambda item: -len(item[1]))
    return ", ".join(list_left_out(dict(frequent_first)))


def build_index(
    root: str,
    split: str,
    entries: Sequence[Entry],
    requirements: Requirements,
    num_workers: int | None = None,
    progress: bool = True,
    backend: str = "",
) -> ClipIndex:
    """Probe the files of a list and return the index of the usable ones.

    The results are stored in ``<root>/.unlabelled/index-<split>-<hash>.json``, or below the user's cache
    folder if the root is not writable; later calls probe new and changed files only. Several processes may
    call this function at the same time.

    Args:
        root: Folder that the paths of ``entries`` are relative to.
        split: Name of the list, for messages.
        entries: The list.
        requirements: Requirements on a usable clip.
        num_workers: Processes that probe, at least one apart from this one, as a decoder may crash; ``None``:
            one per CPU core, fewer for short lists.
        progress: Show a progress bar while files are being probed.
        backend: Name of a decoder whose frames are compared with those of PyAV; empty: none.

    Raises:
        EmptyIndexError: No clip is usable.
    """
    if not os.path.isdir(root):
        raise EmptyIndexError(
            f"no usable clip in split {split!r} of {os.path.abspath(root)}: there is no such folder; "
            f"{len(entries)} clips are listed, set the data root to the folder that their paths start from"
        )
    index = index_entries(root, split, entries, requirements, num_workers, progress, backend)
    if not index.entries:
        other_stream = {NO_AUDIO: ["video"], NO_VIDEO: ["audio"]}
        reasons = set(index.left_out.values())
        holds = other_stream.get(reasons.pop(), []) if len(reasons) == 1 else []
        raise EmptyIndexError(_why_empty(index, entries, requirements), holds)
    return index


def index_entries(
    root: str,
    split: str,
    entries: Sequence[Entry],
    requirements: Requirements,
    num_workers: int | None = None,
    progress: bool = True,
    backend: str = "",
) -> ClipIndex:
    """Return the same index as :func:`build_index`, which may be empty."""
    before, after = json.dumps(split), json.dumps([astuple(requirements), backend])
    key = chain((f"[{before}, ",), _json_keys(entries), (f", {after[1:]}",))
    results = ProbeResults(root, split, key, [entry.path for entry in entries])
    stale = results.stale()
    if stale:
        try:
            for path, result in _probed(stale, requirements, num_workers, progress, split, backend):
                results.add(path, result)
        finally:  # an interrupted run keeps its results
            results.save()
    return _assemble(split, entries, results, backend)


def _probed(
    stale: dict[str, str],
    requirements: Requirements,
    num_workers: int | None,
    progress: bool,
    split: str,
    backend: str,
) -> Iterable[tuple[str, Probe]]:
    """Yield the listed path and the `Probe` of each file of ``stale`` (listed path by full path)."""
    needs = (requirements.video, requirements.audio, requirements.min_duration)
    if num_workers is None:
        num_workers = min(usable_cores(), 1 + len(stale) // _FILES_PER_WORKER)
    probes = probe_many(stale, *needs, num_workers, backend=backend)
    bar = tqdm(probes, total=len(stale), desc=f"checking {split}", unit="clip", disable=not progress)
    for full, result in bar:
        yield stale[full], result


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _assemble(split: str, entries: Sequence[Entry], results: ProbeResults, backend: str) -> ClipIndex:
    probes = [results[entry.path] for entry in entries]
    usable = [result.reason is None for result in probes]
    # Left out or unusual: few of many, and objects of each file would take more memory than the index.
    odd = {
        entry.path: result
        for entry, result in zip(entries, probes, strict=True)
        if result.reason is not None or result.detail or result.start > 0 or result.backend
    }
    good = {path: result for path, result in odd.items() if result.reason is None}
    return ClipIndex(
        root=results.root,
        split=split,
        entries=Entries(compress(entries, usable)),
        durations=np.array([result.duration for result in compress(probes, usable)]),
        left_out={path: result.reason for path, result in odd.items() if result.reason is not None},
        listed=len(entries),
        cache_file=results.file,
        details={path: result.detail for path, result in odd.items() if result.detail},
        late={path: result.start for path, result in good.items() if result.start > 0},
        backend=backend,
        unproved={path: result.backend for path, result in good.items() if result.backend},
    )


def _why_empty(index: ClipIndex, entries: Sequence[Entry], requirements: Requirements) -> str:
    streams = [word for word, need in (("video", requirements.video), ("audio", requirements.audio)) if need]
    needs = " and ".join(streams) or "video or audio"
    text = f"no usable clip in split {index.split!r} of {index.root}: "
    if not entries:
        return text + "its list is empty; check the list and the name of the split"
    text += f"{index.listed} listed, which must have {needs} and last {requirements.min_duration:g} s, but "
    text += _describe(index.left_out, index.details) + "; "
    if set(index.left_out.values()) == {MISSING}:
        return text + "check that the root is the folder that the paths in the list start from"
    return text + (
        "check the files with `python cli.py check FOLDER`, fetch the damaged ones again, "
        "or require less (a shorter clip, no audio)"
    )
