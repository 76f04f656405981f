"""MoCo v2: momentum contrast (He et al. 2020, arXiv:1911.05722; Chen et al. 2020, arXiv:2003.04297)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lightning_modules.momentum_contrast import MomentumContrast
from unlabelled.losses import Contrast, info_nce


class MoCoV2(MomentumContrast):
    """MoCo v2: the target distribution has all mass on the positive.

    Args:
        temperature: tau.
        **kwargs: See :class:`~lightning_modules.momentum_contrast.MomentumContrast`.

    Source: SCE Eq. 3 and section 4.1.2; docs/methods/sce.md#moco-v2.
    """

    def __init__(self, temperature: float = 0.2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.temperature = temperature

    def contrast(self, query: Tensor, key: Tensor, queue: Tensor, own_rows: Tensor | None = None) -> Contrast:
        """Return InfoNCE."""
        return info_nce(query, key, queue, self.temperature, own_rows)
