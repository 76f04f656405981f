"""What a search for similar samples compares."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from unlabelled.batch import Batch, Features
from unlabelled.contracts import Embeds, HasEncoders
from unlabelled.encoders import MODALITY_NDIM, Encoder
from unlabelled.encoders.evaluation_crops import embed_crops, mean_over_crops


class RetrievalFeatures(ABC):
    """One feature per sample of one modality.

    Args:
        modality: ``image``, ``video`` or ``audio``.
    """

    def __init__(self, modality: str = "video") -> None:
        self.modality = modality

    @abstractmethod
    def extract(self, module: nn.Module, batch: Batch, pooled: Features | None) -> Tensor:
        """Return ``(B, D)``.

        Args:
            module: The method.
            batch: Samples with one view each or several.
            pooled: The features of the batch that its evaluation step gave, if it had one.

        Raises:
            MisconfigurationException: The method has nothing of this modality.
        """


class PooledFeatures(RetrievalFeatures):
    """Mean over the crops of a sample of the encoder's pooled features, not normalised before the mean.

    Source: SCE section 4.2.2; docs/methods/sce.md#video-retrieval.
    """

    def extract(self, module: nn.Module, batch: Batch, pooled: Features | None) -> Tensor:
        """Return ``(B, D)``."""
        if pooled is None:
            assert isinstance(module, Embeds)
            pooled = embed_crops(module.embed, batch)
        if self.modality not in pooled:
            raise _nothing_of(self.modality, pooled)
        return pooled[self.modality]


class MaxPooledMaps(RetrievalFeatures):
    """The encoder's last maps, max-pooled to half their size, flattened, normalised and averaged over views.

    An axis with a single position is left as it is. D is large: 512x2x3x3 for R(2+1)D-18 on 32x112x112.

    Source: SeLaVi appendix A.7; facebookresearch/selavi, src/retrieval_utils.py;
    docs/methods/selavi.md#retrieval.
    """

    def extract(self, module: nn.Module, batch: Batch, pooled: Features | None) -> Tensor:
        """Return ``(B, D)``."""
        encoders = module.encoders if isinstance(module, HasEncoders) else nn.ModuleDict()
        if self.modality not in encoders:
            raise _nothing_of(self.modality, encoders)
        encoder = encoders[self.modality]
        assert isinstance(encoder, Encoder)
        inputs = batch[self.modality]
        return mean_over_crops(
            lambda clips: _unit_maxima(encoder.feature_maps(clips)), inputs, MODALITY_NDIM[self.modality]
        )


def _unit_maxima(maps: Tensor) -> Tensor:
    """Map ``(n, channels, *positions)`` to ``(n, D)`` of length 1."""
    maps = maps.float()
    window = [min(2, size) for size in maps.shape[2:]]
    pooled = F.max_pool3d(maps, window) if maps.ndim == 5 else F.max_pool2d(maps, window)
    return F.normalize(pooled.flatten(1), dim=1)


def _nothing_of(modality: str, there: Features | nn.ModuleDict) -> MisconfigurationException:
    return MisconfigurationException(
        f"retrieval features of modality {modality!r} are asked for, but the method has "
        f"{', '.join(there) or 'no encoders'}; set the features' `modality`"
    )
