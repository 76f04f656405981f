"""Base of DMC, L3-Net and GDT, which learn from pairs of a visual input and an audio track."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseModule
from unlabelled.batch import Batch, Features
from unlabelled.encoders import Encoder
from unlabelled.encoders.evaluation_crops import has_crops

AUDIO = "audio"


class AudioVisual(BaseModule):
    """Base of the methods that learn from matched and mismatched pairs of images (or videos) and audio.

    Encoders without a trainable weight stay in evaluation mode.

    Args:
        visual_encoder: Encoder of images or of videos.
        audio_encoder: Encoder of spectrograms.
        optimizer: Called with the trainable parameters.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: ``visual_encoder`` is not for image or video, or ``audio_encoder`` is not for audio.
    """

    compares_samples = True
    pair_threshold: float | None = None

    def __init__(
        self, visual_encoder: Encoder, audio_encoder: Encoder, optimizer: OptimizerCallable, **kwargs: Any
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.visual = visual_encoder.modality
        if self.visual == AUDIO or audio_encoder.modality != AUDIO:
            raise ValueError(
                f"{type(self).__name__}: visual_encoder is for {self.visual} and audio_encoder for "
                f"{audio_encoder.modality}; expected image or video, and audio"
            )
        self.encoders = nn.ModuleDict({self.visual: visual_encoder, AUDIO: audio_encoder})

    @abstractmethod
    def pair_codes(self, batch: Batch, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return ``visual`` and ``audio (B, ...)``, the input of :meth:`pair_scores`.

        Args:
            batch: The batch that the maps were computed from.
            maps: ``(B, D, *positions)`` by modality.
        """

    def train(self, mode: bool = True) -> Self:
        """Set the mode, but keep frozen encoders in evaluation mode."""
        super().train(mode)
        for encoder in self.encoders.values():
            if not any(parameter.requires_grad for parameter in encoder.parameters()):
                encoder.eval()
        return self

    def feature_maps(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``{modality: (B, D, *positions)}`` of the modalities in the batch."""
        return {name: self._encoder(name).feature_maps(batch[name]) for name in self._present(batch)}

    def embed(self, batch: Batch) -> Features:
        """Return ``{"image" | "video": (B, D_v), "audio": (B, D_a)}`` of the modalities in the batch."""
        return {name: self._encoder(name)(batch[name]) for name in self._present(batch)}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and, if the batch has both modalities, ``pair_codes``."""
        if has_crops(batch) or len(self._present(batch)) < 2:
            return super().evaluation_step(batch)
        maps = self.feature_maps(batch)
        features = {name: self._encoder(name).pool(part) for name, part in maps.items()}
        return {"features": features, "pair_codes": self.pair_codes(batch, maps)}

    def _encoder(self, name: str) -> Encoder:
        encoder = self.encoders[name]
        assert isinstance(encoder, Encoder)
        return encoder

    def _present(self, batch: Batch) -> list[str]:
        names = [name for name in self.encoders if name in batch]
        if not names:
            raise ValueError(
                f"{type(self).__name__}: the batch has neither of {', '.join(self.encoders)}, only "
                f"{', '.join(sorted(batch))}; use a pipeline that returns "
                "them, such as unlabelled.pipelines.FrameAndAudio"
            )
        return names
