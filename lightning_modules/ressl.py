"""ReSSL: relational self-supervised learning (Zheng et al. 2021, arXiv:2107.09282)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lightning_modules.momentum_contrast import MomentumContrast, warn_if_target_is_less_sharp
from unlabelled.losses import Contrast, relational


class ReSSL(MomentumContrast):
    """ReSSL: the target distribution is the soft-max of the key's similarities to the queue; no positive.

    Args:
        temperature: tau.
        target_temperature: tau_m; the smaller, the sharper the relations.
        **kwargs: See :class:`~lightning_modules.momentum_contrast.MomentumContrast`.

    Source: SCE Eq. 4 to 6; docs/methods/sce.md#ressl.
    """

    def __init__(self, temperature: float = 0.1, target_temperature: float = 0.04, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        warn_if_target_is_less_sharp(temperature, target_temperature)
        self.temperature, self.target_temperature = temperature, target_temperature

    def contrast(self, query: Tensor, key: Tensor, queue: Tensor, own_rows: Tensor | None = None) -> Contrast:
        """Return the cross-entropy of the relations."""
        return relational(query, key, queue, self.temperature, self.target_temperature, own_rows)
