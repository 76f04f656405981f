"""Contents of a folder: media files by kind, their durations, and those that cannot be used."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.files import (
    AUDIO_SUFFIXES,
    IMAGE_SUFFIXES,
    MEDIA_SUFFIXES,
    other_files,
    scan_files,
)
from unlabelled.data.media.index import Entry, Requirements, index_entries

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
    """

    folder: str
    kind: Kind
    count: int
    durations: tuple[float, ...] = ()
    notes: list[str] = field(default_factory=list)

    def summary(self) -> list[str]:
        """Return what was found, in lines."""
        line = f"{self.folder}: {self.count} {self.kind}"
        if self.durations:
            line += (
                f", {sum(self.durations) / 60:.1f} minutes, {min(self.durations):.1f} to "
                f"{max(self.durations):.1f} s each"
            )
        return [line, *(f"  {note}" for note in self.notes)]

    @property
    def median_duration(self) -> float:
        """The median of the durations in seconds; 0 for images."""
        return statistics.median(self.durations) if self.durations else 0.0


def look(folder: str, progress: bool = True) -> Contents:
    """Return the contents of a folder: those files of which there are most.

    The beginning and the end of each media file are decoded; the results are kept beside the files.

    Args:
        folder: The folder, read with all folders in it.
        progress: Whether to show a progress bar.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: Fewer than four files can be used.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    listed = {
        "videos": scan_files(folder, MEDIA_SUFFIXES),
        "audio files": scan_files(folder, AUDIO_SUFFIXES),
        "images": scan_files(folder, IMAGE_SUFFIXES),
    }
    most = max(listed, key=lambda kind: len(listed[kind]))
    others = {
        f"{kind}, left out:": [each for each in files if each not in set(listed[most])]
        for kind, files in listed.items()
        if kind != most
    }
    known = (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES, *IMAGE_SUFFIXES)
    others["files of other kinds:"] = other_files(folder, known)
    notes = list_left_out(others)
    if most == "images":
        found = Contents(folder, "images", len(listed[most]), notes=notes)
    else:
        found = _media(folder, listed[most], most == "videos", notes, progress)
    if found.count < 4:
        reasons = "; ".join(found.notes) or "there is no other file"
        raise ValueError(f"{folder}: {found.count} usable {most}, expected at least 4; {reasons}")
    return found


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
