"""``cli.py check DIR``: find the media files in a folder that cannot be used."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

from unlabelled.data.left_out import list_left_out
from unlabelled.data.media.files import (
    AUDIO_SUFFIXES,
    MEDIA_SUFFIXES,
    UNREADABLE,
    links_out,
    other_files,
    scan_files,
)
from unlabelled.data.media.index import ClipIndex, Entry, Requirements, index_entries


def find_media(
    folder: str, suffixes: tuple[str, ...] = MEDIA_SUFFIXES, unreadable: list[str] | None = None
) -> list[str]:
    """Return the relative paths of the media files below ``folder``, sorted, without hidden ones."""
    return sorted(scan_files(folder, suffixes, allow_outside=True, unreadable=unreadable))


def check_folder(
    folder: str,
    requirements: Requirements,
    num_workers: int | None = None,
    progress: bool = True,
    backend: str = "",
    unreadable: list[str] | None = None,
) -> ClipIndex:
    """Probe every video file below ``folder``, and if no video is required every audio file.

    Args:
        folder: A folder, read with all folders in it.
        requirements: The streams and the duration that a file must have.
        num_workers: Number of processes; None: all cores.
        progress: Whether to show a progress bar.
        backend: Name of a decoder whose frames are compared with those of PyAV; empty: none.
        unreadable: See :func:`unlabelled.data.media.files.scan_files`.

    Returns: An index of the usable files, whose labels are -1, with the reasons of the others.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder}")
    entries = [Entry(path, -1) for path in find_media(folder, _suffixes(requirements), unreadable)]
    return index_entries(folder, "check", entries, requirements, num_workers, progress, backend)


def _suffixes(requirements: Requirements) -> tuple[str, ...]:
    return MEDIA_SUFFIXES if requirements.video else (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES)


def report(index: ClipIndex) -> str:
    """Return a text with the number and durations of usable files, and the other files by reason."""
    lines = [f"{len(index)} of {index.listed} files in {index.root} are usable"]
    if index.entries:
        shortest, longest = min(index.durations), max(index.durations)
        lines[0] += f": {sum(index.durations) / 3600:.2f} h, {shortest:.2f} s to {longest:.2f} s each"
    for reason, count in Counter(index.left_out.values()).most_common():
        lines.append(f"{reason}: {count}")
        lines.extend(
            f"  {_with_detail(index, path)}" for path, why in index.left_out.items() if why == reason
        )
    remarks = [path for path in index.details if path not in index.left_out]
    if remarks:
        lines += [f"usable, but the header errs: {len(remarks)}"]
        lines += [f"  {_with_detail(index, path)}" for path in remarks]
    if index.late:
        lines += [f"usable, but a stream begins late: {len(index.late)}"]
        lines += [f"  {path}: at {second:.2f} s" for path, second in index.late.items()]
    if index.backend:
        lines += backend_lines(index)
    return "\n".join(lines)


def backend_lines(index: ClipIndex) -> list[str]:
    """Return how many files a backend reads, and the other ones by the reason why PyAV reads them."""
    reasons = Counter(index.unproved.values())
    lines = [f"frames by {index.backend}: {len(index.proved)}", f"frames by PyAV: {len(index.unproved)}"]
    for reason, count in reasons.most_common():
        lines.append(f"  {index.backend}: {reason}: {count}")
        lines.extend(f"    {path}" for path, why in index.unproved.items() if why == reason)
    return lines


def _with_detail(index: ClipIndex, path: str) -> str:
    detail = index.details.get(path)
    return f"{path}: {detail}" if detail else path


def main(argv: list[str]) -> int:
    """Run the command; return 0: all files are usable, 1: some are not, 2: there is no file or no folder."""
    options = _parser().parse_args(argv)
    requirements = Requirements(options.video, options.audio, options.min_duration)
    unreadable: list[str] = []
    try:
        index = check_folder(
            options.folder, requirements, options.workers, sys.stderr.isatty(), options.backend, unreadable
        )
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    suffixes = _suffixes(requirements)
    if index.listed == 0:
        why = "".join(f"; {text}" for text in list_left_out({UNREADABLE: unreadable}))
        print(f"error: no media files ({', '.join(suffixes)}) in {index.root}{why}", file=sys.stderr)
        return 2
    print(report(index))
    kind = "videos (--no-video for audio files)" if requirements.video else "media"
    passed = {
        f"no {kind} by their endings, passed over:": sorted(other_files(index.root, suffixes)),
        "links out of the folder, which a run refuses without allow_outside:": links_out(
            index.root, suffixes
        ),
        UNREADABLE: unreadable,
    }
    for text in list_left_out(passed):
        print(text)
    return 1 if index.left_out or unreadable else 0


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
        "--backend",
        choices=["decord", "torchcodec"],
        default="",
        help="a decoder whose frames are compared with those of PyAV, for the readers of these names",
    )
    parser.add_argument(
        "--workers", type=int, default=None, metavar="N", help="number of processes; default: all cores"
    )
    return parser
