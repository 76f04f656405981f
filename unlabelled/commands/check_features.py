"""``check-features ROOT LIST``: find the feature files of listed videos that are missing or unusable."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from tqdm import tqdm

from unlabelled.data.datasets.howto100m import PUBLISHED_FILES, FeatureFiles
from unlabelled.data.datasets.howto100m_list import listed_paths
from unlabelled.data.features.feature_files import check_finite, check_shape
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines.features import AUDIO_BANDS

_BLOCK = 1024  # videos that are submitted together


def check_video(
    root: str, path: str, dims: Mapping[str, int], files: FeatureFiles = PUBLISHED_FILES
) -> list[DecodeError]:
    """Return the errors of the feature files of one video, at most one per part.

    Args:
        root: The folder of the data set.
        path: The path of the video in the list.
        dims: By part to check, the width of ``rows_2d`` and ``rows_3d``, or the height of ``spectrogram``.
        files: The locations of the files.
    """
    errors = []
    for part, dim in dims.items():
        try:
            array, where = files.read(root, path, part)
            check_shape(where, array, (dim, None) if part == "spectrogram" else (None, dim))
            check_finite(where, array)
            if array.size == 0:
                raise DecodeError(where, f"expected at least one row, found shape {array.shape}")
        except DecodeError as error:
            errors.append(error)
    return errors


def main(argv: list[str]) -> int:
    """Run the command; return 0: all files are usable, 1: some are not, 2: the list cannot be read."""
    options = _parser().parse_args(argv)
    dims = {"rows_2d": options.dim_2d, "rows_3d": options.dim_3d, "spectrogram": AUDIO_BANDS}
    if not options.audio:
        del dims["spectrogram"]
    dims = {part: dim for part, dim in dims.items() if dim}
    reasons: Counter[str] = Counter()
    videos = failed = 0
    try:
        for errors in _check_list(options.root, options.list, dims, options.workers):
            videos, failed = videos + 1, failed + bool(errors)
            for error in errors:
                print(error)
                reasons[_kind(error)] += 1
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    summary = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    print(
        f"{videos - failed} of {videos} videos have all features" + (f"; files: {summary}" if summary else "")
    )
    return 1 if failed else 0


def _check_list(root: str, name: str, dims: Mapping[str, int], workers: int) -> Iterator[list[DecodeError]]:
    """Yield the errors of each video of a list."""
    paths = listed_paths(os.path.join(root, name))
    bar = tqdm(desc="checking features", unit="video", disable=not sys.stderr.isatty())
    with bar, ThreadPoolExecutor(workers) as pool:
        while block := list(islice(paths, _BLOCK)):
            found: Iterable[list[DecodeError]] = pool.map(lambda path: check_video(root, path, dims), block)
            for errors in found:
                bar.update()
                yield errors


def _kind(error: DecodeError) -> str:
    if error.reason.startswith("no such file"):
        return "missing"
    return "unreadable" if error.reason.startswith("unreadable") else "unfit"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled check-features", description="Find features that cannot be used."
    )
    parser.add_argument("root", metavar="ROOT", help="folder of the data set")
    parser.add_argument("list", metavar="LIST", help="CSV file with a column `path`, relative to ROOT")
    parser.add_argument("--dim-2d", type=int, default=2048, metavar="D", help="width of 2D features")
    parser.add_argument(
        "--dim-3d", type=int, default=2048, metavar="D", help="width of 3D features; 0: no 3D features"
    )
    parser.add_argument(
        "--no-audio", dest="audio", action="store_false", help="spectrograms are not required"
    )
    parser.add_argument(
        "--workers", type=int, default=8, metavar="N", help="number of files read in parallel"
    )
    return parser
