"""``python -m unlabelled convert FILE FOLDER``: convert published captions and retrieval sets to tables."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unlabelled.data.features.captions import write_captions
from unlabelled.data.features.json_entries import json_entries
from unlabelled.data.features.records import write_records
from unlabelled.data.features.safe_pickle import UnsafePickleError, load_pickle, plain
from unlabelled.data.lists import encoding_of


def convert(file: str, folder: str) -> dict[str, int]:
    """Convert a published file to a table.

    HowTo100M's ``caption.json`` is read entry by entry, in bounded memory. A pickle is read at once, without
    running code in it. It has captions by video, ``{id: {start, end, text}}``, or a list of dictionaries
    (retrieval sets).

    Args:
        file: A ``.json`` file, or a pickle.
        folder: The folder of the table, which must not exist.

    Returns: The numbers of written and of missing entries by name.

    Raises:
        FileNotFoundError: There is no such file.
        FileExistsError: ``folder`` exists.
        ValueError: The file is damaged, unsafe or of another kind; the message has the position.
    """
    try:
        if Path(file).suffix == ".json":
            with open(file, encoding=encoding_of(file)) as stream:
                return write_captions(folder, json_entries(stream, file))
        with open(file, "rb") as pickled:
            return _write(folder, load_pickle(pickled, file), file)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no file {file}") from error
    except UnsafePickleError:
        raise
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(file) else f"{file}: {error}") from error


def _write(folder: str, content: Any, name: str) -> dict[str, int]:
    if isinstance(content, Mapping):
        return write_captions(folder, _videos(content))
    if isinstance(content, Sequence) and not isinstance(content, str):
        return write_records(folder, content, name)
    raise ValueError(
        f"{name}: expected captions by video or a list of dictionaries, found {type(content).__name__}"
    )


def _videos(content: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for video, captions in content.items():
        if isinstance(captions, Mapping):
            captions = {key: plain(value) for key, value in captions.items()}
        yield video, captions


def main(argv: list[str]) -> int:
    """Run the command; return 0: the table is written, 1: the file cannot be converted."""
    parser = argparse.ArgumentParser(
        prog="python -m unlabelled convert",
        description="Convert HowTo100M's captions (caption.json, or a pickle of them) or a retrieval set (a "
        "pickle of a list of dictionaries) to a table. No code in a pickle is run.",
    )
    parser.add_argument("file", metavar="FILE", help="a .json file or a pickle")
    parser.add_argument("folder", metavar="FOLDER", help="the table to write; must not exist")
    options = parser.parse_args(argv)
    try:
        counts = convert(options.file, options.folder)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.folder}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return 0
