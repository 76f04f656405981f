"""Contents of a folder: media files by kind, their durations, and those that cannot be used."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from unlabelled.data.left_out import list_left_out
from unlabelled.data.lists.folder import without_links
from unlabelled.data.media.files import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    MEDIA_SUFFIXES,
    UNREADABLE,
    other_files,
    scan_files,
)
from unlabelled.data.media.images import image_size
from unlabelled.data.media.index import Entry, Requirements, index_entries
from unlabelled.data.media.reader import DecodeError

_SUFFIXES = {"videos": MEDIA_SUFFIXES, "audio files": AUDIO_SUFFIXES, "images": IMAGE_SUFFIXES}
Kind = Literal["videos", "videos without audio", "audio files", "images"]


@dataclass(frozen=True)
class Contents:
    """The files of a folder that can be used together.

    Args:
        folder: The folder.
        kind: What most of the files are.
        count: Number of usable files of this kind.
        durations: Their durations in seconds; none for images.
        notes: One text for each group of files that are left out, or are unusual.
        sizes: Width and height of each image; none for media files.
        allow_outside: Whether links that lead out of the folder are followed.
    """

    folder: str
    kind: Kind
    count: int
    durations: tuple[float, ...] = ()
    notes: list[str] = field(default_factory=list)
    sizes: tuple[tuple[int, int], ...] = ()
    allow_outside: bool = False

    def summary(self) -> list[str]:
        """Return what was found, in lines."""
        line = f"{self.folder}: {self.count} {self.kind}"
        if self.durations:
            line += (
                f", {sum(self.durations) / 60:.1f} minutes, {min(self.durations):.1f} to "
                f"{max(self.durations):.1f} s each"
            )
        if self.sizes:
            ordered = sorted(self.sizes, key=lambda size: size[0] * size[1])
            smallest, largest = ("x".join(map(str, size)) for size in (ordered[0], ordered[-1]))
            line += f", {smallest} to {largest} pixels"
        return [line, *(f"  {note}" for note in self.notes)]

    @property
    def median_duration(self) -> float:
        """The median of the durations in seconds; 0 for images."""
        return statistics.median(self.durations) if self.durations else 0.0


def look(folder: str, progress: bool = True, allow_outside: bool = False) -> Contents:
    """Return the contents of a folder: those files of which there are most.

    The beginning and the end of each media file are decoded; the results are kept beside the files. Of images
    the header is read.

    Args:
        folder: The folder, read with all folders in it.
        progress: Whether to show a progress bar.
        allow_outside: Follow links that lead out of the folder.

    Raises:
        FileNotFoundError: There is no such folder.
        OutsideRootError: A link leads out of the folder.
        ValueError: Fewer than four files can be used.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found_links: list[str] = []
    unreadable: list[str] = []
    listed: dict[str, list[str]] = {}
    for kind, suffixes in _SUFFIXES.items():
        unreadable.clear()  # the same folders for each kind
        files = scan_files(folder, suffixes, allow_outside=allow_outside, unreadable=unreadable)
        listed[kind], links = without_links(folder, files)
        found_links += links
    most = max(listed, key=lambda kind: len(listed[kind]))
    taken = set(listed[most])
    others = {
        f"{kind}, left out:": [each for each in files if each not in taken]
        for kind, files in listed.items()
        if kind != most
    }
    others["links to these files:"] = found_links
    known = (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES, *IMAGE_SUFFIXES)
    others["files of other kinds:"] = other_files(folder, known)
    others[UNREADABLE] = unreadable
    notes = list_left_out(others)
    if not listed[most]:
        raise ValueError(
            f"{folder}: there is no video, audio file or image; {'; '.join(notes) or 'it is empty'}"
        )
    if most == "images":
        found = _images(folder, listed[most], notes, progress)
    else:
        found = _media(folder, listed[most], most == "videos", notes, progress)
    if found.count < 4:
        reasons = "; ".join(found.notes) or "there are no other files"
        raise ValueError(f"{folder}: {found.count} usable {most}, expected at least 4; {reasons}")
    return replace(found, allow_outside=allow_outside)


def _images(folder: str, paths: Sequence[str], notes: list[str], progress: bool) -> Contents:
    sizes = []
    reasons: dict[str, list[str]] = {}
    for path in tqdm(paths, desc="images", disable=not progress, leave=False):
        try:
            sizes.append(image_size(f"{folder}/{path}"))
        except DecodeError as error:
            reasons.setdefault(f"{error.reason}:", []).append(path)
    return Contents(folder, "images", len(sizes), notes=[*list_left_out(reasons), *notes], sizes=tuple(sizes))


def _media(folder: str, paths: Sequence[str], are_videos: bool, notes: list[str], progress: bool) -> Contents:
    requirements = Requirements(video=are_videos, audio=not are_videos)
    index = index_entries(
        folder, "discover", [Entry(path, -1) for path in paths], requirements, None, progress
    )
    reasons: dict[str, list[str]] = {}
    for path, reason in index.left_out.items():
        reasons.setdefault(f"{reason}:", []).append(path)
    kind: Kind = "videos" if are_videos else "audio files"
    silent = list(index.without_audio)
    if are_videos and len(silent) * 2 > len(index):  # most of them have nothing to compare the video with
        kind = "videos without audio"
    elif silent:
        reasons["without audio, clustered by their video:"] = silent
    return Contents(
        folder, kind, len(index), tuple(index.durations.tolist()), [*list_left_out(reasons), *notes]
    )
