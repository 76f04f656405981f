"""SCE: soft contrastive learning (Denize et al. 2023, arXiv:2212.11187)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lightning_modules.momentum_contrast import MomentumContrast, warn_if_target_is_less_sharp
from unlabelled.losses import Contrast, soft_contrastive
from unlabelled.losses.contrast import PositiveSlot


class SCE(MomentumContrast):
    """SCE: the target distribution is lambda on the positive plus 1 - lambda times the relations of the key.

    Args:
        temperature: tau.
        target_temperature: tau_m; the smaller, the sharper the relations.
        coefficient: lambda, from 0 (relations only) to 1 (InfoNCE).
        positive_slot: ``masked`` as in Eq. 5; ``zero_logit`` as in juliendenize/eztorch,
            eztorch/losses/sce_loss.py.
        **kwargs: See :class:`~lightning_modules.momentum_contrast.MomentumContrast`.

    Raises:
        ValueError: ``coefficient`` is not from 0 to 1.

    Source: SCE Eq. 8 to 10; docs/methods/sce.md#equations.
    """

    def __init__(
        self,
        temperature: float = 0.1,
        target_temperature: float = 0.07,
        coefficient: float = 0.5,
        positive_slot: PositiveSlot = "masked",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        warn_if_target_is_less_sharp(temperature, target_temperature)
        if not 0 <= coefficient <= 1:
            raise ValueError(f"SCE: coefficient={coefficient} must be from 0 to 1")
        self.temperature, self.target_temperature = temperature, target_temperature
        self.coefficient, self.positive_slot = coefficient, positive_slot

    def contrast(self, query: Tensor, key: Tensor, queue: Tensor) -> Contrast:
        """Return SCE's cross-entropy."""
        return soft_contrastive(
            query,
            key,
            queue,
            self.temperature,
            self.target_temperature,
            self.coefficient,
            self.positive_slot,
        )
