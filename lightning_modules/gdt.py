"""GDT: contrast under compositions of transformations (Patrick et al. 2021, arXiv:2003.04298)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.audio_visual import AUDIO, AudioVisual
from lightning_modules.log_means import log_means
from unlabelled.batch import Batch, Features
from unlabelled.encoders import Encoder
from unlabelled.losses import Stance, contrast_terms, transformation_contrast
from unlabelled.nn.heads import MLP


class GDT(AudioVisual):
    """Find a clip's sound by its sight, and its sight by its sound, among other clips and other copies of it.

    The batch brings ``views[shift][direction]``; what the hypothesis does not need of them is not looked at.

    Args:
        visual_encoder: Of videos.
        audio_encoder: Of spectrograms.
        optimizer: Called with the trainable parameters.
        projector: Called with D; on top of each encoder.
        shift: Whether codes are to be ``variant`` or ``invariant`` to when a clip begins; ``null``: all clips
            of a batch are of different videos.
        reversal: Likewise to whether it runs backwards; ``null``: none does.
        temperature: Divides the cosines.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: reference selavi.md section 11. The paper's nine hypotheses are the choices of ``shift`` and
    ``reversal``, see :mod:`unlabelled.losses.transformation_contrast`.
    """

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
        """Return the mean of the hypothesis's contrasts."""
        codes = [[self.project(self.embed(view)) for view in shift] for shift in self._needed(batch)]
        visual, audio = (
            torch.stack([torch.stack([view[name] for view in shift], 1) for shift in codes], 1)
            for name in (self.visual, AUDIO)
        )
        contrast = transformation_contrast(visual, audio, self.terms, self.temperature)
        log_means(self, {"loss": contrast.loss, **contrast.report}, len(visual))
        return {"loss": contrast.loss}

    def project(self, features: Features) -> Features:
        """Return the codes that are compared, ``{modality: (B, P)}``, normalised."""
        return {name: F.normalize(self.projectors[name](x).float(), dim=1) for name, x in features.items()}

    def pair_codes(self, batch: Batch, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the codes ``(B, P)`` of both."""
        codes = self.project({name: self._encoder(name).pool(part) for name, part in maps.items()})
        return {"visual": codes[self.visual], "audio": codes[AUDIO]}

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return cosines ``(n,)``."""
        return (visual * audio).sum(1)

    def _needed(self, batch: Batch) -> list[list[Batch]]:
        shifts, directions = self.copies
        views: list[list[Batch]] = batch.get("views", [])
        if len(views) < shifts or any(len(shift) < directions for shift in views):
            raise ValueError(
                f"{type(self).__name__} needs each clip from {shifts} start(s) in {directions} direction(s), "
                f"got {len(views)} start(s); set --data.init_args.pipeline to TransformedClips, with shifts and "
                "reversal as the hypothesis has them"
            )
        return [shift[:directions] for shift in views[:shifts]]
