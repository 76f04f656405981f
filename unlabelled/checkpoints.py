"""Read checkpoints: their encoders alone, and those of earlier versions of this package."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from unlabelled.renamed import with_present_names

DATA_KEY = "unlabelled_data"
"""Key of the data module's class and arguments in a checkpoint, as in the configuration of the run."""
_PREFIX = "encoders."


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
    if not Path(path).is_file():
        raise FileNotFoundError(f"encoder_checkpoint: there is no file {path!r}")
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
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
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
    ):  # other objects, or no checkpoint
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
