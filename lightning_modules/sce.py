"""SCE: soft contrastive learning (Denize et al. 2023, arXiv:2212.11187)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lightning_modules.momentum_contrast import MomentumContrast, warn_if_target_is_less_sharp
from unlabelled.losses import Contrast, weighted_contrast
from unlabelled.losses.contrast import PositiveSlot


class SCE(MomentumContrast):
    """SCE: the target distribution is lambda on the positive plus 1 - lambda times the relations of the key.

    Args:
        temperature: tau.
        target_temperature: tau_m; the smaller, the sharper the relations.
        coefficient: lambda, from 0 (relations only) to 1 (InfoNCE).
        relational: mu, weight of ReSSL's loss; ``null``: 1 - lambda.
        ceiling: eta, weight of Ceil; ``null``: 1 - lambda.
        positive_slot: ``masked`` as in Eq. 5; ``zero_logit`` as in juliendenize/eztorch,
            eztorch/losses/sce_loss.py.
        **kwargs: See :class:`~lightning_modules.momentum_contrast.MomentumContrast`.

    Raises:
        ValueError: ``coefficient`` is not from 0 to 1, or another weight is negative.

    Source: SCE Eq. 8 to 11; docs/methods/sce.md#equations.
    """

    def __init__(
        self,
        temperature: float = 0.1,
        target_temperature: float = 0.07,
        coefficient: float = 0.5,
        relational: float | None = None,
        ceiling: float | None = None,
        positive_slot: PositiveSlot = "masked",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        warn_if_target_is_less_sharp(temperature, target_temperature)
        if not 0 <= coefficient <= 1:
            raise ValueError(f"SCE: coefficient={coefficient} must be from 0 to 1")
        for name, weight in (("relational", relational), ("ceiling", ceiling)):
            if weight is not None and not weight >= 0:
                raise ValueError(f"SCE: {name}={weight} must be at least 0, or null")
        self.temperature, self.target_temperature = temperature, target_temperature
        self.coefficient, self.positive_slot = coefficient, positive_slot
        self.relational = 1 - coefficient if relational is None else relational
        self.ceiling = 1 - coefficient if ceiling is None else ceiling

    def contrast(self, query: Tensor, key: Tensor, queue: Tensor, own_rows: Tensor | None = None) -> Contrast:
        """Return SCE's cross-entropy, or the sum of its terms with other weights."""
        return weighted_contrast(
            query,
            key,
            queue,
            self.temperature,
            self.target_temperature,
            self.coefficient,
            self.relational,
            self.ceiling,
            self.positive_slot,
            own_rows,
        )
