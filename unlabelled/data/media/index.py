"""Index of the usable clips of a data set; files are probed once, results are stored beside the data."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from itertools import compress
from typing import Any

from tqdm import tqdm

from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.probe import MISSING, NO_VIDEO, Probe, probe
from unlabelled.data.media.probe_pool import probe_many
from unlabelled.data.media.probe_results import ProbeResults
from unlabelled.data.media.reader import NO_AUDIO
from unlabelled.data.media.storage import short_hash

# A process takes 0.3 s to start, as long as probing about a hundred short clips.
_FILES_PER_WORKER = 32


@dataclass(frozen=True)
class Entry:
    """One clip of a list.

    Attributes:
        path: Relative to the root, with forward slashes.
        label: Its class; -1: none.
        start: Beginning in the file in seconds.
        end: End in seconds; None: that of the file.
    """

    path: str
    label: int
    start: float = 0.0
    end: float | None = None

    @property
    def is_span(self) -> bool:
        """True for a part of a file."""
        return self.start > 0 or self.end is not None

    @property
    def key(self) -> tuple[Any, ...]:
        """Path and label, and for a part of a file its times: what identifies the clip."""
        return astuple(self) if self.is_span else (self.path, self.label)


@dataclass(frozen=True)
class Requirements:
    """Streams that a clip must have, and their smallest duration in seconds."""

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
    """The usable clips of one split.

    Attributes:
        root: Folder that the paths are relative to.
        split: Name of the list, such as ``train``.
        entries: The usable clips, in the order of the list.
        durations: Their durations in seconds.
        left_out: Reason by path of the unusable ones.
        listed: Number of entries in the list.
        cache_file: File with the complete result.
        without_audio: Reason by path of usable clips that have no audio, where it is not required.
    """

    root: str
    split: str
    entries: tuple[Entry, ...]
    durations: tuple[float, ...]
    left_out: dict[str, str]
    listed: int
    cache_file: str = field(default="", compare=False)
    without_audio: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def fingerprint(self) -> str:
        """Hash of 16 hexadecimal digits of the usable clips, their order and labels."""
        return short_hash(json.dumps([entry.key for entry in self.entries]))

    def summary(self) -> str:
        """Return one line: the numbers of usable and left out clips, with reasons and five names each."""
        text = f"{self.split}: {len(self)} of {self.listed} clips usable"
        if any(entry.is_span for entry in self.entries):
            text += f", parts of {len({entry.path for entry in self.entries})} files"
        if self.without_audio:
            text += f"; {len(self.without_audio)} without audio, but kept: {_describe(self.without_audio)}"
        if not self.left_out:
            return text
        text += f"; left out {self.listed - len(self)}: {_describe(self.left_out)}"
        return text + (f"; full list in {self.cache_file}" if self.cache_file else "")


def _describe(left_out: dict[str, str]) -> str:
    """Return the reasons, most frequent first: ``truncated 2 (a.mp4, b.mp4)``."""
    names = defaultdict(list)
    for path, reason in left_out.items():
        names[reason].append(path)
    frequent_first = sorted(names.items(), key=lambda item: -len(item[1]))
    return ", ".join(list_left_out(dict(frequent_first)))


def build_index(
    root: str,
    split: str,
    entries: Sequence[Entry],
    requirements: Requirements,
    num_workers: int | None = None,
    progress: bool = True,
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
        num_workers: Processes that probe; ``None``: one per CPU core, fewer for short lists; 0: the calling
            process, which is lost if a decoder crashes.
        progress: Show a progress bar while files are being probed.

    Raises:
        EmptyIndexError: No clip is usable.
    """
    if not os.path.isdir(root):
        raise EmptyIndexError(
            f"no usable clip in split {split!r} of {os.path.abspath(root)}: there is no such folder; "
            f"{len(entries)} clips are listed, set the data root to the folder that their paths start from"
        )
    index = index_entries(root, split, entries, requirements, num_workers, progress)
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
) -> ClipIndex:
    """Return the same index as :func:`build_index`, which may be empty."""
    key = json.dumps([split, [entry.key for entry in entries], astuple(requirements)])
    results = ProbeResults(root, split, key, [entry.path for entry in entries])
    stale = results.stale()
    if stale:
        try:
            for path, result in _probed(stale, requirements, num_workers, progress, split):
                results.add(path, result)
        finally:  # an interrupted run keeps its results
            results.save()
    return _assemble(split, entries, results)


def _probed(
    stale: dict[str, str], requirements: Requirements, num_workers: int | None, progress: bool, split: str
) -> Iterable[tuple[str, Probe]]:
    """Yield the listed path and the `Probe` of each file of ``stale`` (listed path by full path)."""
    needs = (requirements.video, requirements.audio, requirements.min_duration)
    if num_workers is None:
        num_workers = min(usable_cores(), 1 + len(stale) // _FILES_PER_WORKER)
    if num_workers > 0:
        probes = iter(probe_many(stale, *needs, num_workers))
    else:
        probes = ((path, probe(path, *needs)) for path in stale)
    bar = tqdm(probes, total=len(stale), desc=f"checking {split}", unit="clip", disable=not progress)
    for full, result in bar:
        yield stale[full], result


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _assemble(split: str, entries: Sequence[Entry], results: ProbeResults) -> ClipIndex:
    probes = [results[entry.path] for entry in entries]
    usable = [result.reason is None for result in probes]
    pairs = zip(entries, probes, strict=True)
    return ClipIndex(
        root=results.root,
        split=split,
        entries=tuple(compress(entries, usable)),
        durations=tuple(result.duration for result in compress(probes, usable)),
        left_out={entry.path: result.reason for entry, result in pairs if result.reason is not None},
        listed=len(entries),
        cache_file=results.file,
    )


def _why_empty(index: ClipIndex, entries: Sequence[Entry], requirements: Requirements) -> str:
    streams = [word for word, need in (("video", requirements.video), ("audio", requirements.audio)) if need]
    needs = " and ".join(streams) or "video or audio"
    text = f"no usable clip in split {index.split!r} of {index.root}: "
    if not entries:
        return text + "its list is empty; check the list and the name of the split"
    text += f"{index.listed} listed, which must have {needs} and last {requirements.min_duration:g} s, but "
    text += _describe(index.left_out) + "; "
    if set(index.left_out.values()) == {MISSING}:
        return text + "check that the root is the folder that the paths in the list start from"
    return text + (
        "check the files with `python cli.py check FOLDER`, fetch the damaged ones again, "
        "or require less (a shorter clip, no audio)"
    )
