"""Find the files of movies that lists of key frames name, or the folders of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unlabelled.data.datasets.key_frames import Movie
from unlabelled.data.inside import check_link
from unlabelled.data.media.files import StemTable
from unlabelled.data.media.frame_folders import FrameFolders
from unlabelled.data.media.index import Entry, Requirements, index_entries
from unlabelled.data.media.reader import DecodeError

_BEGIN, _WHOLE = 900.0, 1200.0  # seconds: where movies are cut, and from which duration they are whole

Found = tuple[dict[str, Movie], dict[str, list[str]]]
"""Movies by name, and names of those that are left out by reason."""


def frame_folders(root: str, names: Sequence[str], begin: float | None, allow_outside: bool) -> Found:
    """Return the movies whose frames are ``root/frames/<name>/<name>_000001.jpg`` and so on.

    Args:
        root: Folder of the data set.
        names: Names of the movies.
        begin: Second of the lists of the first frame; None: 900.
        allow_outside: Follow links that lead out of the root.
    """
    movies, missing, reader = dict[str, Movie](), list[str](), FrameFolders()
    for name in names:
        if not allow_outside:
            check_link(root, f"frames/{name}")
        path = str(Path(root, "frames", name))
        try:
            movies[name] = Movie(path, _BEGIN if begin is None else begin, reader.info(path).duration)
        except DecodeError:
            missing.append(name)
    return movies, {"movies without frames:": missing}


def find_movies(
    root: str,
    split: str,
    names: Sequence[str],
    begin: float | None,
    allow_outside: bool,
    num_workers: int | None = None,
    progress: bool = True,
) -> Found:
    """Return the movies whose files are ``<name>.*`` in any folder below the root, and can be decoded.

    Args:
        root: Folder of the data set.
        split: Name of the list, for messages.
        names: Names of the movies.
        begin: Second of the lists at which the files begin; None: 900, but 0 for whole movies.
        allow_outside: Follow links that lead out of the root.
        num_workers: See :func:`~unlabelled.data.media.index.build_index`.
        progress: Show a progress bar while files are being probed.
    """
    stems = StemTable(root, allow_outside=allow_outside)
    name_of = {stems.locate([name], f"{name}.mp4"): name for name in names}
    entries = [Entry(path, -1) for path in name_of]
    index = index_entries(root, split, entries, Requirements(audio=False), num_workers, progress)
    movies = {
        name_of[entry.path]: Movie(f"{root}/{entry.path}", _begin(begin, duration), duration)
        for entry, duration in zip(index.entries, index.durations, strict=True)
    }
    left_out: dict[str, list[str]] = {}
    for path, reason in index.left_out.items():
        left_out.setdefault(f"movies left out, {reason}:", []).append(path)
    return movies, left_out


def _begin(given: float | None, duration: float) -> float:
    if given is not None:
        return given
    return 0.0 if duration > _WHOLE else _BEGIN
