"""Export of the encoders for use without this package."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from callbacks.shared.loggers import log_folder
from unlabelled.batch import Batch
from unlabelled.contracts import HasEncoders
from unlabelled.data.media.storage import write_atomically
from unlabelled.encoders import MODALITY_NDIM, StreamEncoder
from unlabelled.layouts import names_of, published_name


class ExportEncoder(Callback):
    """Write each encoder as ``encoder_<modality>.pt`` and ``encoder_<modality>.pt2``, in ``predict``.

    The first is a ``state_dict``, with the names that other code gives the parts of the network, where it has
    them (``published_names`` of the encoder): torchvision's for torchvision's networks. The second is a
    program of ``torch.export`` on the CPU, which maps inputs ``(batch, channels, ...)`` of the size of the
    predicted samples, with any batch size, to ``(batch, D)``; load it with
    ``torch.export.load(path).module()``. Rank 0 writes the files; an interrupted export leaves no incomplete
    file.

    Args:
        folder: Folder of the files; ``null``: the log folder of the run.

    Raises:
        MisconfigurationException: The method has no encoders (:class:`unlabelled.contracts.HasEncoders`), an
            encoder requires a mask, or the samples have no input for an encoder.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder
        self._shapes: dict[str, torch.Size] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the encoders."""
        if stage == "predict" and not isinstance(pl_module, HasEncoders):
            raise MisconfigurationException(
                "ExportEncoder needs a method with encoders (unlabelled.contracts.HasEncoders), which "
                f"{type(pl_module).__name__} is not"
            )
        streams = [name for name, each in _encoders(pl_module) if isinstance(each, StreamEncoder)]
        if stage == "predict" and streams:
            raise MisconfigurationException(
                f"ExportEncoder writes encoders of one tensor, but {type(pl_module).__name__}'s encoders of "
                f"{', '.join(streams)} require a mask; take the callback out of trainer.callbacks"
            )

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the size of the inputs."""
        if not self._shapes:
            self._shapes = {name: _shape(name, batch) for name in MODALITY_NDIM if name in batch}

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files and print their paths."""
        shapes, self._shapes = self._shapes, {}
        if not trainer.is_global_zero:
            return
        folder = Path(self.folder) if self.folder is not None else log_folder(trainer)
        folder.mkdir(parents=True, exist_ok=True)
        assert isinstance(pl_module, HasEncoders)
        for name, encoder in pl_module.encoders.items():
            if name not in shapes:
                raise MisconfigurationException(
                    f"ExportEncoder: the samples have {', '.join(shapes) or 'no inputs'}, but there is an "
                    f"encoder of {name!r}; use a pipeline with this modality"
                )
            export_encoder(encoder, shapes[name], folder / f"encoder_{name}")
            print(f"encoder written to {folder / f'encoder_{name}'}.pt and .pt2")


def _encoders(module: LightningModule) -> list[tuple[str, nn.Module]]:
    return list(module.encoders.items()) if isinstance(module, HasEncoders) else []


def _shape(name: str, batch: Batch) -> torch.Size:
    """Return the size of one crop of one sample."""
    inputs: Tensor = batch[name]
    return inputs.shape[1 + inputs.ndim - MODALITY_NDIM[name] :]


def export_encoder(encoder: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    """Write ``<path>.pt`` and ``<path>.pt2``.

    Args:
        encoder: The encoder, which is not changed.
        shape: Size of one sample, ``(channels, ...)``.
        path: Path of the files without a suffix.
    """
    with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
        net = deepcopy(encoder).to("cpu", torch.float32).eval().requires_grad_(False)
        for tensor in (*net.parameters(), *net.buffers()):  # a program requires this layout
            tensor.data = tensor.data.contiguous()
        example = torch.zeros(2, *shape)  # 2, as a size of 1 would become a constant
        program = torch.export.export(net, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))

        def write(file: BinaryIO) -> None:
            torch.export.save(program, file)

        names = names_of(encoder)
        state = {published_name(key, names): value for key, value in net.state_dict().items()}
        write_atomically(f"{path}.pt", lambda file: torch.save(state, file))
        write_atomically(f"{path}.pt2", write)
