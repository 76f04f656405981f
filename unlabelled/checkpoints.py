"""Read checkpoints of this package, also those of earlier versions; run no code from a file."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from unlabelled.renamed import with_present_names

_INSTANTIATOR = "lightning.pytorch.cli.instantiate_module"  # by which Lightning's CLI creates modules
DATA_KEY = "unlabelled_data"
"""Key of the data module's class and arguments in a checkpoint, as in the configuration of the run."""


def read_checkpoint(path: str | Path, mapped: bool = False, name: str = "checkpoint") -> dict[str, Any]:
    """Read a file written by ``torch.save``, compare it with its checksums, and run no code from it.

    Args:
        path: The file. Those of torch before 1.6 have no checksums.
        mapped: Map tensors into memory, rather than reading them.
        name: The option that names the file, for messages.

    Returns: Its dictionary; tensors are on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, no checkpoint, or contains other objects than tensors and plain values.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{name}: there is no file {str(path)!r}; give the path of a checkpoint")
    try:
        compare_checksums(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped or None)
    except Exception as error:  # of any type: torch's readers do not check what a damaged file states
        raise refusal(error, path, name) from error
    if not isinstance(content, dict):
        raise ValueError(f"{name}: {str(path)!r} contains a {type(content).__name__}, expected a checkpoint")
    return content


def refusal(error: Exception, path: str | Path, name: str) -> ValueError:
    """Return the error of one line for a file that torch could not read.

    Args:
        error: What torch raised.
        path: The file, or its URL.
        name: The option that names it.
    """
    if isinstance(error, pickle.UnpicklingError) and "global" in str(error).lower():
        return ValueError(
            f"{name}: {str(path)!r} is refused: it contains other objects than tensors and plain values, "
            "and reading them could run code; export its state_dict alone"
        )
    return ValueError(f"{name}: {str(path)!r} is damaged or no checkpoint; give another file")


def compare_checksums(path: str | Path) -> None:
    """Raise ``BadZipFile`` if a part of a file has another checksum, which torch does not compare.

    Compressed parts, and parts that are larger together than the file, are refused too: torch writes none,
    and a small file of them fills the memory.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            parts = file.infolist()
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                raise zipfile.BadZipFile("it has compressed parts")
            if sum(part.file_size for part in parts) > Path(path).stat().st_size:
                raise zipfile.BadZipFile("its parts are larger than it is")
            if (part := file.testzip()) is not None:
                raise zipfile.BadZipFile(part)


def check_hyper_parameters(stored: Any, path: str | Path) -> None:
    """Check the hyper-parameters of a checkpoint before Lightning calls what they name.

    Raises:
        ValueError: They are no dictionary, or name another function that creates the module.
    """
    if not isinstance(stored, dict) or stored.get("_instantiator", _INSTANTIATOR) != _INSTANTIATOR:
        raise ValueError(f"{str(path)!r} is refused: its hyper_parameters are none that `fit` writes")


def with_present_classes(checkpoint: str | Path | IO[bytes]) -> str | Path | IO[bytes]:
    """Replace former names of classes in the hyper-parameters of a checkpoint by present ones.

    Args:
        checkpoint: A file written by ``fit``; anything else is returned unchanged.

    Returns: ``checkpoint`` itself if it has no former name, else a copy in memory.

    Raises:
        ValueError: See :func:`check_hyper_parameters`.
    """
    if not isinstance(checkpoint, str | Path) or not Path(checkpoint).is_file():
        return checkpoint
    try:
        content = read_checkpoint(checkpoint)
    except ValueError:  # Lightning reads it, and explains
        return checkpoint
    stored = content.get("hyper_parameters", {})
    check_hyper_parameters(stored, checkpoint)
    content["hyper_parameters"] = with_present_names(stored)
    if content["hyper_parameters"] == stored:
        return checkpoint
    renamed = io.BytesIO()
    torch.save(content, renamed)
    renamed.seek(0)
    return renamed
