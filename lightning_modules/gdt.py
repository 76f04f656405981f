"""GDT: contrast under compositions of transformations (Patrick et al. 2021, arXiv:2003.04298)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.audio_visual import AUDIO, AudioVisual
from lightning_modules.base import log_means
from unlabelled.batch import Batch, Features
from unlabelled.encoders import Encoder
from unlabelled.losses import Stance, contrast_terms, transformation_contrast
from unlabelled.nn.heads import MLP


class GDT(AudioVisual):
    """Match video and audio of a clip by InfoNCE, among other clips and transformed copies of the same clip.

    The batch has ``views[shift][direction]``, each a batch with video and audio; copies that the hypothesis
    does not need are ignored. A batch without views, such as one of single frames, is one start, forwards.

    Args:
        visual_encoder: Encoder of video, or of single frames.
        audio_encoder: Encoder of spectrograms.
        optimizer: Called with the trainable parameters.
        projector: Called with D; makes the projector on top of each encoder.
        shift: Whether embeddings are ``variant`` or ``invariant`` to the start of a clip; ``null``: one start
            per video.
        reversal: Whether embeddings are ``variant`` or ``invariant`` to the direction of time; ``null``:
            forwards only.
        temperature: Divides the cosines.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    The nine hypotheses of the released code are the choices of ``shift`` and ``reversal``, see
    :func:`unlabelled.losses.contrast_terms`.

    Source: Patrick et al. 2021 (arXiv:2003.04298); facebookresearch/GDT, gdt_helper.py;
    docs/methods/selavi.md#gdt.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/loss_*", "train/accuracy_*")

    def __init__(
        self,
        visual_encoder: Encoder,
        audio_encoder: Encoder,
        optimizer: OptimizerCallable,
        projector: Callable[[int], MLP],
        shift: Stance | None = "variant",
        reversal: Stance | None = "variant",
        temperature: float = 0.07,
        **kwargs: Any,
    ) -> None:
        super().__init__(visual_encoder, audio_encoder, optimizer, **kwargs)
        self.save_hyperparameters()
        self.projectors = nn.ModuleDict({name: projector(self._encoder(name).dim) for name in self.encoders})
        self.terms, self.temperature = contrast_terms(shift, reversal), temperature
        self.copies = (1 if shift is None else 2, 1 if reversal is None else 2)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean of the contrasts of the hypothesis."""
        codes = [[self.project(self.embed(view)) for view in shift] for shift in self._needed(batch)]
        visual, audio = (
            torch.stack([torch.stack([view[name] for view in shift], 1) for shift in codes], 1)
            for name in (self.visual, AUDIO)
        )
        contrast = transformation_contrast(visual, audio, self.terms, self.temperature)
        log_means(self, {"loss": contrast.loss, **contrast.report}, len(visual))
        return {"loss": contrast.loss}

    def project(self, features: Features) -> Features:
        """Return the normalised embeddings, ``{modality: (B, P)}``."""
        return {name: F.normalize(self.projectors[name](x).float(), dim=1) for name, x in features.items()}

    def pair_codes(self, batch: Batch, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the embeddings ``(B, P)`` of both modalities."""
        codes = self.project({name: self._encoder(name).pool(part) for name, part in maps.items()})
        return {"visual": codes[self.visual], "audio": codes[AUDIO]}

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return cosines ``(n,)``."""
        return (visual * audio).sum(1)

    def _needed(self, batch: Batch) -> list[list[Batch]]:
        shifts, directions = self.copies
        single = [[batch]] if set(self.encoders) <= set(batch) else []
        views: list[list[Batch]] = batch.get("views", single)
        if len(views) < shifts or any(len(shift) < directions for shift in views):
            raise ValueError(
                f"{type(self).__name__} needs each clip from {shifts} start(s) in {directions} direction(s), "
                f"got {len(views)} start(s); set --data.init_args.pipeline to TransformedClips, with the "
                "shifts and the reversal of the hypothesis"
            )
        return [shift[:directions] for shift in views[:shifts]]
