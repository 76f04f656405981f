"""``embed CKPT FOLDER``: features of the files of a folder from a checkpoint."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from unlabelled.commands.errors.run_errors import line_for_user, traceback_wanted
from unlabelled.data.media.files import AUDIO_SUFFIXES, IMAGE_SUFFIXES, MEDIA_SUFFIXES, scan_files
from unlabelled.data.media.storage import write_atomically
from unlabelled.environment import experiment_root


def embed_folder(
    checkpoint: str, folder: str, out: str, config: str | None = None, num_workers: int = 0
) -> list[Path]:
    """Write ``features_<modality>.npy`` and ``paths.txt`` of the files of a folder; return the files written.

    Row i of the arrays ``(N, D)`` is the file in line i; NaN: it cannot be read.

    Args:
        checkpoint: A checkpoint that ``fit`` has written.
        folder: Read with all folders in it.
        out: Folder of the results.
        config: The configuration of the run; None: the one that the checkpoint contains.
        num_workers: Number of processes that read.

    Raises:
        FileNotFoundError: There is no such checkpoint or folder.
        ValueError: There is no file, or none can be read.
    """
    sys.path.insert(0, str(experiment_root(Path(__file__).resolve().parents[1])))
    from lightning_modules import load_encoder

    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder!r}")
    encoder = load_encoder(checkpoint, config, num_workers=num_workers)
    suffixes = IMAGE_SUFFIXES if encoder.reads_images else (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES)
    paths = scan_files(folder, suffixes)
    if not paths:
        raise ValueError(f"{folder!r} has no file that ends in {', '.join(suffixes)}")
    features = encoder.embed([f"{folder}/{path}" for path in paths])
    Path(out).mkdir(parents=True, exist_ok=True)
    written = []
    for name, feature in features.items():
        written.append(Path(out, f"features_{name}.npy"))
        write_atomically(str(written[-1]), functools.partial(_save, array=feature.numpy()))
    text = "".join(f"{path}\n" for path in paths)
    written.append(Path(out, "paths.txt"))
    write_atomically(str(written[-1]), lambda file: file.write(text.encode("utf-8", "surrogateescape")))
    return written


def _save(file: BinaryIO, array: NDArray[np.float32]) -> None:
    np.save(file, array)


def main(argv: list[str]) -> int:
    """Run the command; return 0, or 1 after an error that one line explains."""
    options = _parser().parse_args(argv)
    try:
        written = embed_folder(
            options.checkpoint, options.folder, options.out, options.config, options.workers
        )
    except Exception as error:
        line = line_for_user(error)
        if line is None or traceback_wanted():
            raise
        print(line, file=sys.stderr)
        return 1
    print(f"features of {len(np.load(written[0], mmap_mode='r'))} files: {', '.join(map(str, written))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cli.py embed", description="Write the features of the files of a folder, from a checkpoint."
    )
    parser.add_argument("checkpoint", metavar="CKPT", help="a checkpoint that `fit` has written")
    parser.add_argument("folder", metavar="FOLDER", help="read with all folders in it")
    parser.add_argument("--out", default="features", metavar="DIR", help="of the results; default: features")
    parser.add_argument(
        "--config", default=None, metavar="FILE", help="configuration of the run, for checkpoints without it"
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="number of processes that read; default: 0"
    )
    return parser
