"""Clips of text, video and audio drawn from mixtures, and tiny encoders for them."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from lightning import Callback, LightningDataModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from unlabelled.encoders import AudioTokens, DAVEnet, FusionTransformer, TextTokens, VideoTokens

WORDS, ROWS, FRAMES = 4, 3, 16
TEXT, VIDEO = 6, 8  # widths of the features
TRANSFORMER = partial(FusionTransformer, num_heads=2)
ADAM = partial(torch.optim.Adam, lr=3e-3)


def clips(number: int, seed: int = 0, categories: int = 4, empty: float = 0.2) -> dict[str, Tensor]:
    """Return a batch of clips: one category per clip, and two sub-clusters of it in each modality.

    Clips lack text or audio with the probability ``empty`` each; ``index`` counts videos of two clips.
    """
    mixtures = torch.Generator().manual_seed(99)  # the mixtures are the same for all seeds
    generator = torch.Generator().manual_seed(seed)
    category = torch.randint(categories, (number,), generator=generator)

    def tokens(length: int, dim: int, noise: float) -> Tensor:
        means = torch.randn(categories, dim, generator=mixtures)[:, None]
        means = means + 0.5 * torch.randn(categories, 2, dim, generator=mixtures)
        mean = means[category, torch.randint(2, (number,), generator=generator)]
        return mean[:, None] + noise * torch.randn(number, length, dim, generator=generator)

    def mask(length: int, least: int, missing: float) -> Tensor:
        lengths = torch.randint(least, length + 1, (number, 1), generator=generator)
        present = torch.rand(number, 1, generator=generator) >= missing
        return (torch.arange(length) < lengths) & present

    masks = {"text": mask(WORDS, 1, empty), "video": mask(ROWS, 1, 0), "audio": mask(FRAMES, 4, empty)}
    streams = {"text": tokens(WORDS, TEXT, 0.3), "video": tokens(ROWS, VIDEO, 0.3)}
    streams["audio"] = tokens(FRAMES, 40, 0.3)
    streams = {name: stream * masks[name].unsqueeze(2) for name, stream in streams.items()}
    return {
        "text": streams["text"],
        "text_mask": masks["text"],
        "video_features": streams["video"],
        "video_mask": masks["video"],
        "audio": streams["audio"].transpose(1, 2).unsqueeze(1),
        "audio_mask": masks["audio"],
        "label": category,
        "index": torch.arange(number) // 2,
    }


def part(batch: dict[str, Tensor], rows: slice) -> dict[str, Tensor]:
    return {name: value[rows] for name, value in batch.items()}


class Clips(LightningDataModule):
    """Data module with the same batches in each epoch."""

    def __init__(self, batches: list[dict[str, Tensor]]) -> None:
        super().__init__()
        self.batches = batches
        self.batch_size = len(batches[0]["index"])

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.batches, batch_size=None)


def norm_free(network: nn.Module) -> nn.Module:
    """Replace BatchNorm by identities, in place: features do not depend on other clips of the batch."""
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm1d):
            setattr(network, name, nn.Identity())
        else:
            norm_free(child)
    return network


def parts_of_a_method(dim: int = 8, audio: bool = True) -> dict[str, Any]:
    """Return the options that EAO and SSPC share, with tokens of size ``dim``."""
    cnn = DAVEnet([6, 8], [1, 1], stem=4)
    return {
        "text": TextTokens(TEXT, dim),
        "video": VideoTokens(VIDEO, dim),
        "audio": AudioTokens(dim, cnn) if audio else None,
        "transformer": TRANSFORMER,
        "projection_dim": 12,
        "optimizer": ADAM,
    }


def trainer(folder: Any, *callbacks: Callback, **kwargs: Any) -> Trainer:
    options: dict[str, Any] = {"max_epochs": 2, "accelerator": "cpu", "logger": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(default_root_dir=folder, callbacks=list(callbacks), **{**options, **quiet, **kwargs})
