"""Export of the features of a data set as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.shared.batches import datamodule
from callbacks.shared.loggers import log_folder
from callbacks.shared.predicted import clips_of, predict_split, predicted_clips
from callbacks.shared.rows import (
    NO_LABEL,
    RowCollection,
    Rows,
    as_float32,
    collect_features,
    gathered_pieces,
)
from unlabelled.contracts import Embeds, LabelledBank, Localises
from unlabelled.data.datasets.clip_names import ClipName
from unlabelled.data.media.storage import write_atomically
from unlabelled.distributed import all_reduce_max_, rank
from unlabelled.encoders.evaluation_crops import embed_crops

Part: TypeAlias = Literal["test", "bank"]


class ExportFeatures(Callback):
    """Write ``features_<modality>.npy``, ``labels.npy``, ``paths.txt`` to a folder in ``predict``.

    The folder is ``<folder>/<split>``, of the predicted split. Row i of the arrays, ``(N, D)`` float32 and
    ``(N,)`` or ``(N, C)`` int64, is row i of the data set; its path is in line i. If samples are parts of
    files, ``seconds.npy (N, 2)`` has their start and end; without labels there is no ``labels.npy``. Where a
    sample could not be read, its features are NaN and its label is -1. Rank 0 receives and writes the
    features in pieces, so that no rank holds all of them. An interrupted export leaves no incomplete file.
    Of a method that localises (:class:`unlabelled.contracts.Localises`) there is also ``maps.npy (N, h, w)``
    of the predicted samples, larger at the source of the audio.

    Args:
        folder: Parent folder of the files; ``null``: the log folder of the run.
        parts: ``test``: the predicted samples. ``bank``: the labelled training samples, written into
            ``<folder>/bank``; other training samples are treated like unreadable ones.

    Raises:
        ValueError: ``parts`` is empty or contains another name.
        MisconfigurationException: ``parts`` contains ``bank``, but the data module has none
            (:class:`unlabelled.contracts.LabelledBank`).
    """

    def __init__(self, folder: str | None = None, parts: list[Part] | None = None) -> None:
        self.folder = folder
        self.parts: list[Part] = list(parts) if parts is not None else ["test"]
        if not self.parts or set(self.parts) - {"test", "bank"}:
            raise ValueError(f"ExportFeatures: parts={self.parts}; expected `test`, `bank` or both")
        self._rows = RowCollection("ExportFeatures")
        self._maps = RowCollection("ExportFeatures")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the data module has a bank, if it is to be exported."""
        data = getattr(trainer, "datamodule", None)
        if stage == "predict" and "bank" in self.parts and not isinstance(data, LabelledBank):
            raise MisconfigurationException(
                "ExportFeatures: parts has `bank`, which needs a data module with labelled training rows "
                "(unlabelled.contracts.LabelledBank)"
            )

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the features."""
        self._rows = RowCollection("ExportFeatures")
        self._maps = RowCollection("ExportFeatures")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Store the features of a batch."""
        if "test" in self.parts:
            self._rows.add(batch, as_float32(outputs["features"]))
            if isinstance(pl_module, Localises):
                self._maps.add(batch, as_float32({"maps": pl_module.localise(batch).maps}))

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the files and print their folders."""
        data = datamodule(trainer)
        folder = Path(self.folder) if self.folder is not None else log_folder(trainer)
        if "test" in self.parts:
            maps = None if self._maps.is_empty else self._maps.finish()
            write_features(
                self._rows.finish(), predicted_clips(trainer), folder / predict_split(trainer), maps
            )
        if "bank" in self.parts:
            assert isinstance(pl_module, Embeds)
            embed = pl_module.embed
            loader = data.bank_dataloader()
            rows = collect_features(
                trainer, pl_module, loader, lambda batch: embed_crops(embed, batch), "labelled bank"
            )
            clips = clips_of(data, getattr(data, "bank_split", "train"))
            write_features(rows, clips, folder / "bank")


def write_features(rows: Rows, clips: list[ClipName] | None, folder: Path, maps: Rows | None = None) -> None:
    """Write the rows of all ranks; called on all of them.

    Args:
        rows: The rows of this rank.
        clips: The name of each row of the data set; None: there are none, and no ``paths.txt``.
        folder: The folder, which is created if it does not exist.
        maps: Sound localisation maps ``maps (n, h, w)`` of these rows; None: there are none.
    """
    last = rows.index.max() if len(rows) else rows.index.new_tensor(-1)
    total = len(clips) if clips is not None else int(all_reduce_max_(last.clone())) + 1
    if rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for name, feature in rows.features.items():
        written = _write_array(folder / f"features_{name}.npy", feature, rows.index, total, np.nan)
    if maps is not None:
        _write_array(folder / "maps.npy", maps.columns["maps"], maps.index, total, np.nan)
    labelled = (rows.labels != NO_LABEL).any().int() if len(rows) else rows.index.new_tensor(0).int()
    if all_reduce_max_(labelled):
        _write_array(folder / "labels.npy", rows.labels, rows.index, total, NO_LABEL)
    if rank() > 0:
        return
    if clips is not None:
        _write_names(folder, clips)
    print(f"features of {written} of {total} samples written to {folder}")


def _write_names(folder: Path, clips: list[ClipName]) -> None:
    text = "".join(f"{clip.path}\n" for clip in clips)
    write_atomically(
        str(folder / "paths.txt"), lambda file: file.write(text.encode("utf-8", "surrogateescape"))
    )
    if any(clip.is_part for clip in clips):
        seconds = np.array([(clip.start, np.inf if clip.end is None else clip.end) for clip in clips])
        write_atomically(str(folder / "seconds.npy"), lambda file: np.save(file, seconds))


def _write_array(path: Path, values: Tensor, index: Tensor, total: int, missing: float) -> int:
    """Write ``values (n, ...)`` of all ranks as rows ``index (n,)`` of an array; return their number."""
    pieces = zip(gathered_pieces(index), gathered_pieces(values), strict=True)
    if rank() > 0:
        return sum(len(piece) for piece, _ in pieces)
    part = path.with_name(f".part-{path.name}")
    try:
        count = _fill(part, pieces, (total, *values.shape[1:]), missing, values.dtype)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


def _fill(
    path: Path,
    pieces: Iterator[tuple[Tensor, Tensor]],
    shape: tuple[int, ...],
    missing: float,
    dtype: torch.dtype,
) -> int:
    kind = np.float32 if dtype.is_floating_point else np.int64
    array = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    array[...] = missing
    count = 0
    for index, values in pieces:
        array[index.cpu().numpy()] = values.cpu().numpy()
        count += len(index)
    array.flush()
    return count
