"""Clips per second of one CPU from files, from shards on disk and below a URL, as bytes and decoded.

``python benchmarks/shards.py data/embedded`` reads the same clips in each way, in turn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from unlabelled.data.media.disk import open_file
from unlabelled.data.media.files import MEDIA_SUFFIXES, scan_files
from unlabelled.data.media.pack import pack_folder
from unlabelled.data.media.pyav_reader import PyAVReader
from unlabelled.data.media.shards import packed_root


def read(path: str) -> None:
    """Read the bytes of a file."""
    with open_file(path) as file:
        file.read()


def decode(path: str) -> None:
    """Decode 8 frames and the audio of the first second."""
    reader = PyAVReader()
    reader.frames(path, 0.0, 1.0, 8, 64)
    reader.waveform(path, 0.0, 1.0, 16000)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a folder of videos")
    parser.add_argument("--clips", type=int, default=100, help="files to read")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median is printed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        packed = pack_folder(options.folder, f"{folder}/packed", progress=False)
        print(f"{packed.files} files, {packed.bytes / 2**20:.0f} MiB, in {packed.shards} shards")
        roots = {
            "files": options.folder,
            "shards": f"{folder}/packed",
            "URL": packed_root("", f"file://{folder}/packed"),
        }
        names = scan_files(options.folder, MEDIA_SUFFIXES)
        chosen = np.random.default_rng(0).permutation(len(names))[: options.clips].tolist()
        for work in (read, decode):
            for name, rate in _rates(work, roots, [names[row] for row in chosen], options.rounds).items():
                print(f"{work.__name__:8}{name:8}{rate:12,.1f} clips per CPU-second")


def _rates(
    work: Callable[[str], None], roots: dict[str, str], names: list[str], rounds: int
) -> dict[str, float]:
    """Return the median clips per second of the CPU by the kind of place."""
    seconds: dict[str, list[float]] = {place: [] for place in roots}
    for _ in range(rounds):
        for place, root in roots.items():
            started = time.process_time()
            for name in names:
                work(f"{root}/{name}")
            seconds[place].append(time.process_time() - started)
    return {place: len(names) / statistics.median(spent) for place, spent in seconds.items()}


if __name__ == "__main__":
    main()
