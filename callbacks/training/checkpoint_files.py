"""Checkpoints as files that are whole or absent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from unlabelled.checkpoints import refusal

_PART = ".part"


class WholeCheckpoints(TorchCheckpointIO):
    """Write a checkpoint beside its place, wait until it is on the disk, then rename it.

    A process that is killed while it writes leaves the previous checkpoint as it was. Lightning writes into
    the folder of temporary files, and copies from there if that is another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            OSError: It cannot be written, as where the disk is full; the previous one is as it was.
        """
        if "://" in str(path) or storage_options is not None:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(place.name + _PART)
        try:
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(place)
        except (OSError, RuntimeError) as error:  # torch raises the latter where writing fails
            part.unlink(missing_ok=True)
            reason = (error.__context__ or error) if isinstance(error, RuntimeError) else error
            raise OSError(f"checkpoint: {place} cannot be written: {reason}") from error
        _sync(place.parent)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read a checkpoint; one at a URL is not checked before.

        Raises:
            OSError: It cannot be fetched.
            ValueError: It is damaged, no checkpoint, or contains objects that could run code.
        """
        try:
            content: dict[str, Any] = super().load_checkpoint(path, *args, **kwargs)
        except OSError:
            raise
        except Exception as error:  # of any type, as torch does not check what a damaged file states
            raise refusal(error, path, "ckpt_path") from error
        return content


def _sync(folder: Path) -> None:
    """Wait until the name of a new file is on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems cannot
        pass
    finally:
        os.close(descriptor)
