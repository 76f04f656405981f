"""``cli.py check DIR``: which of the media files in a folder are usable, and what is wrong with the rest."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from unlabelled.data.media.index import ClipIndex, Entry, Requirements, index_entries

MEDIA_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")


def find_media(folder: str) -> list[str]:
    """Paths of the media files under ``folder``, relative, sorted; hidden files and folders are skipped."""
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
    """Probe every media file under ``folder``; labels are -1.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"no such folder: {folder}")
    entries = [Entry(path, -1) for path in find_media(folder)]
    return index_entries(folder, "check", entries, requirements, num_workers, progress)


def report(index: ClipIndex) -> str:
    """Counts, seconds, and every file that is left out, by reason."""
    lines = [f"{len(index)} of {index.listed} files in {index.root} are usable"]
    if index.entries:
        shortest, longest = min(index.durations), max(index.durations)
        lines[0] += f": {sum(index.durations) / 3600:.2f} h, {shortest:.2f} s to {longest:.2f} s each"
    for reason, count in Counter(index.left_out.values()).most_common():
        lines.append(f"{reason}: {count}")
        lines.extend(f"  {path}" for path, why in index.left_out.items() if why == reason)
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Run the command; 0: all files are usable, 1: some are not, 2: there are none, or no such folder."""
    options = _parser().parse_args(argv)
    requirements = Requirements(options.video, options.audio, options.min_duration)
    try:
        index = check_folder(options.folder, requirements, options.workers, sys.stderr.isatty())
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    if index.listed == 0:
        print(f"no media files ({', '.join(MEDIA_SUFFIXES)}) in {index.root}", file=sys.stderr)
        return 2
    print(report(index))
    return 1 if index.left_out else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cli.py check", description="Find files that cannot be used.")
    parser.add_argument("folder", metavar="DIR", help="looked through with all folders in it")
    parser.add_argument("--no-audio", dest="audio", action="store_false", help="sound is not needed")
    parser.add_argument("--no-video", dest="video", action="store_false", help="pictures are not needed")
    parser.add_argument(
        "--min-duration", type=float, default=0.0, metavar="S", help="seconds a file must last"
    )
    parser.add_argument(
        "--workers", type=int, default=None, metavar="N", help="processes; default: all cores"
    )
    return parser
