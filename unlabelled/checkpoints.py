"""Read checkpoints: their encoders alone, and those of earlier versions of this package."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from unlabelled.renamed import with_present_names

DATA_KEY = "unlabelled_data"
"""Key of the data module's class and arguments in a checkpoint, as in the configuration of the run."""
_PREFIX = "encoders."


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
        _compare_checksums(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped or None)
    except Exception as error:  # of any type: torch's readers do not check what a damaged file states
        if isinstance(error, pickle.UnpicklingError) and "global" in str(error).lower():
            raise ValueError(
                f"{name}: {str(path)!r} is refused: it contains other objects than tensors and plain values, "
                "and reading them could run code; export its state_dict alone"
            ) from error
        raise ValueError(f"{name}: {str(path)!r} is damaged or no checkpoint; give another file") from error
    if not isinstance(content, dict):
        raise ValueError(f"{name}: {str(path)!r} contains a {type(content).__name__}, expected a checkpoint")
    return content


def _compare_checksums(path: str | Path) -> None:
    """Raise ``BadZipFile`` if a part of a file has another checksum, which torch does not compare."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            if (part := file.testzip()) is not None:
                raise zipfile.BadZipFile(part)


def load_encoders(encoders: nn.ModuleDict, path: str) -> None:
    """Load the weights of encoders from a checkpoint of any method of this package.

    Args:
        encoders: Encoders by modality. Each must be in the checkpoint, with the same shapes. Other weights of
            the checkpoint are not used.
        path: A checkpoint written by ``fit``, or, for a single encoder, its exported ``state_dict``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The checkpoint lacks an encoder, or has one of another shape.
    """
    checkpoint = read_checkpoint(path, name="encoder_checkpoint")
    stored = _stored_encoders(checkpoint, list(encoders))
    wanted = encoders.state_dict()
    for name, value in wanted.items():
        if name not in stored or stored[name].shape != value.shape:
            found = f"shape {tuple(stored[name].shape)}" if name in stored else "nothing"
            raise ValueError(
                f"encoder_checkpoint {path!r}: expected {_PREFIX}{name} of shape {tuple(value.shape)}, found "
                f"{found}; name a checkpoint with the same encoders"
            )
    encoders.load_state_dict({name: stored[name] for name in wanted})


def with_present_classes(checkpoint: str | Path | IO[bytes]) -> str | Path | IO[bytes]:
    """Replace former names of classes in the hyper-parameters of a checkpoint by present ones.

    Args:
        checkpoint: A file written by ``fit``; anything else is returned unchanged.

    Returns: ``checkpoint`` itself if it has no former name, else a copy in memory.
    """
    if not isinstance(checkpoint, str | Path) or not Path(checkpoint).is_file():
        return checkpoint
    try:
        content = read_checkpoint(checkpoint)
    except ValueError:  # Lightning reads it, and explains
        return checkpoint
    stored = content.get("hyper_parameters", {})
    content["hyper_parameters"] = with_present_names(stored)
    if content["hyper_parameters"] == stored:
        return checkpoint
    renamed = io.BytesIO()
    torch.save(content, renamed)
    renamed.seek(0)
    return renamed


def _stored_encoders(checkpoint: dict[str, Any], modalities: list[str]) -> dict[str, Tensor]:
    """Return the weights of the encoders by ``<modality>.<name>``."""
    if "state_dict" not in checkpoint and len(modalities) == 1:
        return {f"{modalities[0]}.{name}": value for name, value in checkpoint.items()}
    state: dict[str, Tensor] = checkpoint.get("state_dict", {})
    return {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}
