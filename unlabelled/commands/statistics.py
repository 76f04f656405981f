"""``python -m unlabelled statistics DIR``: options that normalise videos by their own statistics."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from unlabelled.data.media.channel_statistics import channel_statistics
from unlabelled.data.media.index import usable_cores

_DIGITS = 4


def main(argv: Sequence[str]) -> int:
    """Run the command; return 0: the options are printed, 1: there is nothing to measure."""
    options = _parser().parse_args(argv)
    if not Path(options.folder).is_dir():
        print(f"error: there is no folder {options.folder!r}", file=sys.stderr)
        return 1
    try:
        found = channel_statistics(options.folder, options.files, usable_cores())
    except (OSError, ValueError) as error:
        print(f"error: {options.folder}: {error}", file=sys.stderr)
        return 1
    values = {"mean": found.mean, "std": found.std}
    texts = {name: ",".join(f"{each:.{_DIGITS}f}" for each in value) for name, value in values.items()}
    prefix = "--data.init_args.pipeline.init_args."
    print(" ".join(f"{prefix}{name}=[{text}]" for name, text in texts.items()))
    print(f"of a frame of {found.files} files; {found.left_out} have none that can be read", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled statistics",
        description="Print options that normalise each channel of videos by mean and standard deviation over "
        "the data set, of one frame of each file. They are computed once, and stored in the folder.",
    )
    parser.add_argument("folder", metavar="DIR", help="read with all folders in it")
    parser.add_argument(
        "--files", type=int, default=10_000, metavar="N", help="largest number; default: 10000"
    )
    return parser
