"""The features of the user's own files, to find them on a page."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from unlabelled.commands.page.predictions import Predictions, run_cli
from unlabelled.commands.runs.folders import CHECKPOINTS
from unlabelled.data.left_out import list_left_out
from unlabelled.page import Queries
from unlabelled.page.samples import joint_features


def embed_files(files: Sequence[str], checkpoint: str, modalities: Sequence[str]) -> Queries | None:
    """Compute the features of files with the checkpoint of a page; None: ``cli.py embed`` failed.

    Files that cannot be read are named on stderr.

    Args:
        files: Their paths.
        checkpoint: The checkpoint.
        modalities: Those of the features of the page, in their order.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The checkpoint has features of other modalities, or no file can be used.
    """
    for path in files:
        if not Path(path).is_file():
            raise FileNotFoundError(f"--query {path}: there is no such file")
    with tempfile.TemporaryDirectory(prefix="unlabelled-query-") as folder:
        links, out = Path(folder, "files"), Path(folder, "features")
        links.mkdir()
        for number, path in enumerate(files):
            (links / f"{number:06}{Path(path).suffix}").symlink_to(Path(path).resolve())
        if run_cli("embed", [checkpoint, str(links), f"--out={out}", "--allow-outside"]) != 0:
            return None
        return _read(out, [str(path) for path in files], modalities)


def _read(out: Path, files: list[str], modalities: Sequence[str]) -> Queries:
    arrays: dict[str, NDArray[np.float32]] = {}
    for name in modalities:
        if not (out / f"features_{name}.npy").exists():
            raise ValueError(f"--query: the checkpoint has no features of {name}, which the page has")
        arrays[name] = np.load(out / f"features_{name}.npy")
    rows = [int(Path(name).stem) for name in (out / "paths.txt").read_text("utf-8").split("\n")[:-1]]
    spans = np.full((len(rows), 2), (0.0, np.nan))
    if (out / "seconds.npy").exists():
        spans = np.load(out / "seconds.npy")
    readable = ~np.isnan(np.concatenate(list(arrays.values()), 1)).any(1)
    kept = [row for row, is_kept in zip(rows, readable.tolist(), strict=True) if is_kept]
    known = set(kept)
    unread = [path for number, path in enumerate(files) if number not in known]
    for text in list_left_out({"--query: files that cannot be read:": unread}):
        print(f"warning: {text}", file=sys.stderr)
    if not kept:
        raise ValueError("--query: none of the files can be read")
    joint = joint_features({name: array[readable] for name, array in arrays.items()})
    starts = np.nan_to_num(spans[readable, 0])
    return Queries([files[row] for row in kept], starts, spans[readable, 1], joint)


def checkpoint_of(found: Predictions) -> str:
    """Return the checkpoint by which predictions were made.

    Raises:
        FileNotFoundError: It is not known, or does not exist.
    """
    folder = found.table.parent
    config = folder / "config.predict.yaml"
    given = yaml.safe_load(config.read_text("utf-8")).get("ckpt_path") if config.is_file() else None
    if given is None:
        raise FileNotFoundError(f"{folder} does not state a checkpoint: give --checkpoint for --query")
    names = [Path(str(given)), folder.parent / CHECKPOINTS / f"{given}.ckpt"]
    path = next((path for path in names if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"there is no checkpoint {given}, by which {found.table} was made")
    return str(path)
