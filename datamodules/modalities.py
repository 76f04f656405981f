"""Compare the modalities of samples with those that the method of a run learns from."""

from __future__ import annotations

from lightning import LightningDataModule

from unlabelled.contracts import HasEncoders
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.encoders import MODALITY_NDIM
from unlabelled.modalities import UnfitDataError


def check_modalities(data: LightningDataModule, samples: SampleDataset) -> None:
    """Read one sample, and check that it has an input for each encoder of the method.

    Args:
        data: A data module with a trainer.
        samples: Samples of the stage, as in evaluation.

    Raises:
        UnfitDataError: It has none for an encoder.
    """
    method = getattr(data.trainer, "lightning_module", None)
    if not isinstance(method, HasEncoders):
        return
    given = [name for name in MODALITY_NDIM if name in samples[0]]
    if set(method.encoders) <= set(given):
        return
    pipeline = type(getattr(data, "active_pipeline", None)).__name__
    raise UnfitDataError(
        f"{type(method).__name__} learns from {' and '.join(method.encoders)}, but the samples of "
        f"{type(data).__name__} with {pipeline} have {' and '.join(given) or 'none of these'}",
        getattr(data, "holds", ()),
    )
