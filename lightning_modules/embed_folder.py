"""``embed CKPT FOLDER``: features of the files of a folder from a checkpoint."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lightning_modules.trained_encoder import TrainedEncoder, load_encoder
from unlabelled.data.media.files import AUDIO_SUFFIXES, IMAGE_SUFFIXES, MEDIA_SUFFIXES, scan_files
from unlabelled.data.media.segments import Segments
from unlabelled.data.media.storage import write_atomically


def embed_folder(encoder: TrainedEncoder, folder: str, out: str, allow_outside: bool = False) -> list[Path]:
    """Write ``features_<modality>.npy`` and ``paths.txt`` of the files of a folder; return the files written.

    Row i of the arrays ``(N, D)`` is the file in line i; NaN: it cannot be read. Where files are divided into
    clips, row i of ``seconds.npy (N, 2)`` is the start and the end of clip i; NaN: the file cannot be read.

    Args:
        encoder: Computes the features, and divides the files.
        folder: Read with all folders in it.
        out: Folder of the results.
        allow_outside: Follow links that lead out of the folder.

    Raises:
        FileNotFoundError: There is no such folder.
        OutsideRootError: A link leads out of the folder.
        ValueError: There is no file, or none can be read.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder!r}")
    suffixes = IMAGE_SUFFIXES if encoder.reads_images else (*MEDIA_SUFFIXES, *AUDIO_SUFFIXES)
    paths = scan_files(folder, suffixes, allow_outside=allow_outside)
    if not paths:
        raise ValueError(f"{folder!r} has no file that ends in {', '.join(suffixes)}")
    clips, features = encoder.embed_clips([f"{folder}/{path}" for path in paths])
    Path(out).mkdir(parents=True, exist_ok=True)
    arrays = {f"features_{name}": feature.numpy() for name, feature in features.items()}
    if any(clip.is_part for clip in clips):
        spans = [(clip.start, clip.end) if clip.is_part else (np.nan, np.nan) for clip in clips]
        arrays["seconds"] = np.array(spans, np.float64)
    written = [Path(out, f"{name}.npy") for name in arrays]
    for path, array in zip(written, arrays.values(), strict=True):
        write_atomically(str(path), functools.partial(_save, array=array))
    text = "".join(f"{clip.path.removeprefix(f'{folder}/')}\n" for clip in clips)
    written.append(Path(out, "paths.txt"))
    write_atomically(str(written[-1]), lambda file: file.write(text.encode("utf-8", "surrogateescape")))
    return written


def _save(file: BinaryIO, array: NDArray[np.generic]) -> None:
    np.save(file, array)


def main(argv: list[str]) -> int:
    """Run the command; return 0."""
    options = _parser().parse_args(argv)
    given = {} if options.segment_seconds is None else {"segments": _segments(options.segment_seconds)}
    encoder = load_encoder(options.checkpoint, options.config, num_workers=options.workers, **given)
    written = embed_folder(encoder, options.folder, options.out, options.allow_outside)
    rows, clips = len(np.load(written[0], mmap_mode="r")), "clips" if encoder.segments else "files"
    print(f"features of {rows} {clips}: {', '.join(map(str, written))}")
    return 0


def _segments(seconds: float) -> Segments | None:
    return Segments(seconds) if seconds else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cli.py embed", description="Write the features of the files of a folder, from a checkpoint."
    )
    parser.add_argument("checkpoint", metavar="CKPT", help="a checkpoint that `fit` has written")
    parser.add_argument("folder", metavar="FOLDER", help="read with all folders in it")
    parser.add_argument("--out", default="features", metavar="DIR", help="of the results; default: features")
    parser.add_argument(
        "--segment-seconds",
        type=float,
        default=None,
        metavar="S",
        help="divide files into clips of this duration; 0: do not; default: as the run did",
    )
    parser.add_argument(
        "--config", default=None, metavar="FILE", help="configuration of the run, for checkpoints without it"
    )
    parser.add_argument(
        "--allow-outside", action="store_true", help="follow links that lead out of the folder"
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="number of processes that read; default: 0"
    )
    return parser
