"""Logging of what each rank knows a part of."""

from __future__ import annotations

import torch
from lightning import LightningModule
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, world_size


def log_means(module: LightningModule, values: dict[str, Tensor], batch_size: int) -> None:
    """Log ``train/<name>`` of each scalar, the mean over ranks; all ranks have the same names."""
    means = all_reduce_sum_(torch.stack([value.detach().float() for value in values.values()]))
    for name, value in zip(values, means.div_(world_size()), strict=True):
        module.log(f"train/{name}", value, prog_bar=name == "loss", batch_size=batch_size)
