"""Which of a data set's clips are usable: probed once, remembered beside the data."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from itertools import compress

from tqdm import tqdm

from unlabelled.data.media.probe import MISSING, Probe, probe
from unlabelled.data.media.probe_pool import probe_many
from unlabelled.data.media.storage import short_hash
from unlabelled.data.media.verdicts import Verdicts

_NAMES_SHOWN = 5
# A process takes 0.3 s to start, as long as probing some hundred short clips.
_FILES_PER_WORKER = 32


@dataclass(frozen=True)
class Entry:
    """One clip of a list: ``path`` relative to the root, with forward slashes, and its class."""

    path: str
    label: int


@dataclass(frozen=True)
class Requirements:
    """What a clip must have: pictures, sound, and so many seconds of what it must have."""

    video: bool = True
    audio: bool = True
    min_duration: float = 0.0


class EmptyIndexError(ValueError):
    """Not one clip of a split is usable."""


@dataclass(frozen=True)
class ClipIndex:
    """The usable clips of one split.

    Attributes:
        root: Folder that the paths are relative to.
        split: Name of the list, such as ``train``.
        entries: The usable ones, in the order of the list.
        durations: Seconds of each of ``entries``.
        left_out: Reason by path of those that are not usable.
        listed: Entries in the list.
        cache_file: Where the result is remembered, in full.
    """

    root: str
    split: str
    entries: tuple[Entry, ...]
    durations: tuple[float, ...]
    left_out: dict[str, str]
    listed: int
    cache_file: str = field(default="", compare=False)

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that differ when the usable clips, their order or labels do."""
        return short_hash(json.dumps([astuple(entry) for entry in self.entries]))

    def summary(self) -> str:
        """One line: how many are usable, and which are not and why, five names a reason."""
        text = f"{self.split}: {len(self)} of {self.listed} clips usable"
        if not self.left_out:
            return text
        text += f"; left out {self.listed - len(self)}: {_describe(self.left_out)}"
        return text + (f"; full list in {self.cache_file}" if self.cache_file else "")


def _describe(left_out: dict[str, str]) -> str:
    """Reasons, most frequent first, each with a count and names: ``truncated 2 (a.mp4, b.mp4)``."""
    parts = []
    for reason, count in Counter(left_out.values()).most_common():
        names = [path for path, why in left_out.items() if why == reason][:_NAMES_SHOWN]
        more = f", … and {count - len(names)} more" if count > len(names) else ""
        parts.append(f"{reason} {count} ({', '.join(names)}{more})")
    return ", ".join(parts)


def build_index(
    root: str,
    split: str,
    entries: Sequence[Entry],
    requirements: Requirements,
    num_workers: int | None = None,
    progress: bool = True,
) -> ClipIndex:
    """Find out which clips are usable. Later calls look only at files that changed or are new.

    The verdicts are kept in ``<root>/.unlabelled/index-<split>-<hash>.json``, or under the user's cache
    folder where the root cannot be written. Several processes may call this at once.

    Args:
        root: Folder that the paths of ``entries`` are relative to.
        split: Name of the list, for messages.
        entries: The list.
        requirements: What makes a clip usable.
        num_workers: Processes that probe; ``None``: one a CPU core, fewer for short lists; 0: this
            process, which then shares the fate of a decoder that crashes.
        progress: Show a progress bar while files are being probed.

    Raises:
        EmptyIndexError: No clip is usable.
    """
    if not os.path.isdir(root):
        raise EmptyIndexError(
            f"no usable clip in split {split!r} of {os.path.abspath(root)}: there is no such folder. "
            f"{len(entries)} clips are listed; set the data root to the folder that their paths start from."
        )
    index = index_entries(root, split, entries, requirements, num_workers, progress)
    if not index.entries:
        raise EmptyIndexError(_why_empty(index, entries, requirements))
    return index


def index_entries(
    root: str,
    split: str,
    entries: Sequence[Entry],
    requirements: Requirements,
    num_workers: int | None = None,
    progress: bool = True,
) -> ClipIndex:
    """Like :func:`build_index`, but an index without clips is a result too."""
    key = json.dumps([split, [astuple(entry) for entry in entries], astuple(requirements)])
    verdicts = Verdicts(root, split, key, [entry.path for entry in entries])
    stale = verdicts.stale()
    if stale:
        try:
            for path, result in _probed(stale, requirements, num_workers, progress, split):
                verdicts.add(path, result)
        finally:  # an interrupted run keeps what it has found out
            verdicts.save()
    return _assemble(split, entries, verdicts)


def _probed(
    stale: dict[str, str], requirements: Requirements, num_workers: int | None, progress: bool, split: str
) -> Iterable[tuple[str, Probe]]:
    """Path in the list and `Probe`, for ``stale`` (path in the list by full path)."""
    needs = (requirements.video, requirements.audio, requirements.min_duration)
    if num_workers is None:
        num_workers = min(_usable_cores(), 1 + len(stale) // _FILES_PER_WORKER)
    if num_workers > 0:
        results = iter(probe_many(stale, *needs, num_workers))
    else:
        results = ((path, probe(path, *needs)) for path in stale)
    bar = tqdm(results, total=len(stale), desc=f"checking {split}", unit="clip", disable=not progress)
    for full, result in bar:
        yield stale[full], result


def _usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def _assemble(split: str, entries: Sequence[Entry], verdicts: Verdicts) -> ClipIndex:
    probes = [verdicts[entry.path] for entry in entries]
    usable = [result.reason is None for result in probes]
    pairs = zip(entries, probes, strict=True)
    return ClipIndex(
        root=verdicts.root,
        split=split,
        entries=tuple(compress(entries, usable)),
        durations=tuple(result.duration for result in compress(probes, usable)),
        left_out={entry.path: result.reason for entry, result in pairs if result.reason is not None},
        listed=len(entries),
        cache_file=verdicts.file,
    )


def _why_empty(index: ClipIndex, entries: Sequence[Entry], requirements: Requirements) -> str:
    wanted = [word for word, need in (("video", requirements.video), ("audio", requirements.audio)) if need]
    needs = " and ".join(wanted) or "video or audio"
    text = f"no usable clip in split {index.split!r} of {index.root}: "
    if not entries:
        return text + "its list is empty. Check the list, and that the split has the name you meant."
    text += f"{index.listed} listed, which must have {needs} and last {requirements.min_duration:g} s, but "
    text += _describe(index.left_out) + ". "
    if set(index.left_out.values()) == {MISSING}:
        return text + "Check that the root is the folder that the paths in the list start from."
    return text + (
        "Check the files with `python cli.py check FOLDER`, fetch the damaged ones again, "
        "or ask for less (a shorter clip, no audio)."
    )
