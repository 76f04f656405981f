"""``cli.py check DIR``: find the media files in a folder that cannot be used."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from unlabelled.data.media.index import ClipIndex, Entry, Requirements, index_entries

MEDIA_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")


def find_media(folder: str) -> list[str]:
    """Return the relative paths of the media files below ``folder``, sorted, without hidden ones."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(MEDIA_SUFFIXES) and not name.startswith("."):
                path = os.path.relpath(os.path.join(parent, name), folder)
                found.append(path.replace(os.sep, "/"))
    return sorted(found)


def check_folder(
    folder: str, requirements: Requirements, num_workers: int | None = None, progress: bool = True
) -> ClipIndex:
    """Probe every media file below ``folder``.

    Args:
        folder: A folder, read with all folders in it.
        requirements: The streams and the duration that a file must have.
        num_workers: Number of processes; None: all cores.
        progress: Whether to show a progress bar.

    Returns: An index of the usable files, whose labels are -1, with the reasons of the others.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder}")
    entries = [Entry(path, -1) for path in find_media(folder)]
    return index_entries(folder, "check", entries, requirements, num_workers, progress)


def report(index: ClipIndex) -> str:
    """Return a text with the number and durations of usable files, and the other files by reason."""
    lines = [f"{len(index)} of {index.listed} files in {index.root} are usable"]
    if index.entries:
        shortest, longest = min(index.durations), max(index.durations)
        lines[0] += f": {sum(index.durations) / 3600:.2f} h, {shortest:.2f} s to {longest:.2f} s each"
    for reason, count in Counter(index.left_out.values()).most_common():
        lines.append(f"{reason}: {count}")
        lines.extend(f"  {path}" for path, why in index.left_out.items() if why == reason)
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run the command; return 0: all files are usable, 1: some are not, 2: there is no file or no folder."""
    options = _parser().parse_args(argv)
    requirements = Requirements(options.video, options.audio, options.min_duration)
    try:
        index = check_folder(options.folder, requirements, options.workers, sys.stderr.isatty())
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if index.listed == 0:
        print(f"error: no media files ({', '.join(MEDIA_SUFFIXES)}) in {index.root}", file=sys.stderr)
        return 2
    print(report(index))
    return 1 if index.left_out else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cli.py check", description="Find files that cannot be used.")
    parser.add_argument("folder", metavar="DIR", help="read with all folders in it")
    parser.add_argument(
        "--no-audio", dest="audio", action="store_false", help="an audio stream is not required"
    )
    parser.add_argument(
        "--no-video", dest="video", action="store_false", help="a video stream is not required"
    )
    parser.add_argument(
        "--min-duration", type=float, default=0.0, metavar="S", help="shortest duration in seconds"
    )
    parser.add_argument(
        "--workers", type=int, default=None, metavar="N", help="number of processes; default: all cores"
    )
    return parser
