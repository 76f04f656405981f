"""Retrieval: search for training samples of the class of a held-out sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal

import torch.nn.functional as F
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from callbacks.evaluation.held_out_evaluation import BankEvaluation, class_of_each
from callbacks.shared.rows import Rows
from callbacks.shared.tables import print_tables
from unlabelled.batch import Batch, Features
from unlabelled.contracts import Embeds, HasEncoders
from unlabelled.encoders import MODALITY_NDIM, Encoder
from unlabelled.encoders.evaluation_crops import embed_crops, mean_over_crops
from unlabelled.metrics import centred, cosine_pair, euclidean_pair, recall_at_k, sharded_top_k

_PAIRS = {"cosine": cosine_pair, "euclidean": euclidean_pair}


class RetrievalFeatures(ABC):
    """One feature per sample, of one modality.

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
            batch: Samples with one crop or several.
            pooled: The features of the evaluation step; None where there was no evaluation step.

        Raises:
            MisconfigurationException: The method has no features of this modality.
        """


class PooledFeatures(RetrievalFeatures):
    """Pooled features of the encoder, averaged over the crops of a sample without normalisation.

    Source: SCE section 4.2.2; docs/methods/sce.md#video-retrieval.
    """

    def extract(self, module: nn.Module, batch: Batch, pooled: Features | None) -> Tensor:
        """Return ``(B, D)``."""
        if pooled is None:
            assert isinstance(module, Embeds)
            pooled = embed_crops(module.embed, batch)
        if self.modality not in pooled:
            raise _missing(self.modality, pooled)
        return pooled[self.modality]


class MaxPooledMaps(RetrievalFeatures):
    """Last feature maps of the encoder, max-pooled to half their size, flattened and normalised.

    They are averaged over the crops of a sample. An axis with a single position is not pooled. D is large:
    512x2x3x3 for R(2+1)D-18 on inputs of 32x112x112.

    Source: SeLaVi appendix A.7; facebookresearch/selavi, src/retrieval_utils.py;
    docs/methods/selavi.md#retrieval.
    """

    def extract(self, module: nn.Module, batch: Batch, pooled: Features | None) -> Tensor:
        """Return ``(B, D)``."""
        encoders = module.encoders if isinstance(module, HasEncoders) else nn.ModuleDict()
        if self.modality not in encoders:
            raise _missing(self.modality, encoders)
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


def _missing(modality: str, available: Iterable[str]) -> MisconfigurationException:
    return MisconfigurationException(
        f"retrieval needs features of modality {modality!r}, but the method has "
        f"{', '.join(available) or 'no encoders'}; set the features' `modality`"
    )


class RetrievalEvaluation(BankEvaluation):
    """Search the labelled training samples for each held-out sample: R@k, logged as ``test/recall@1``.

    R@k is the share of held-out samples with at least one sample of their class among the k nearest. There is
    one search per modality; with several modalities the names have the suffix ``_<modality>``. ``test``
    prints a table.

    Args:
        k: Numbers of neighbours.
        features: Features to compare, or a list with one entry per modality; ``null``: pooled features of
            ``video``.
        centre: Whether to centre queries and bank, each by its own mean, as in juliendenize/eztorch,
            run/retrieval_from_bank.py.
        distance: ``cosine`` or ``euclidean``.
        every_n_epochs: Epochs between two evaluations within ``fit``; ``null``: none.

    Raises:
        ValueError: A number is out of its range, there are several features of one modality, or samples have
            several labels.

    Source: SCE section 4.2.2 and Table 19; docs/methods/sce.md#video-retrieval. The variant of SeLaVi
    (appendix A.7) is ``MaxPooledMaps`` without centring.
    """

    logs: ClassVar[tuple[str, ...]] = ("val/recall@*",)

    def __init__(
        self,
        k: Sequence[int] = (1, 5, 10),
        features: RetrievalFeatures | list[RetrievalFeatures] | None = None,
        centre: bool = True,
        distance: Literal["cosine", "euclidean"] = "cosine",
        every_n_epochs: int | None = None,
    ) -> None:
        super().__init__(every_n_epochs)
        if not k or min(k) < 1:
            raise ValueError(f"RetrievalEvaluation: k={list(k)}; expected numbers of neighbours, at least 1")
        if distance not in _PAIRS:
            raise ValueError(
                f"RetrievalEvaluation: distance={distance!r}; expected one of {', '.join(_PAIRS)}"
            )
        self.ks = sorted(k)
        self.features = _by_modality(features if features is not None else PooledFeatures())
        self.centre, self.distance = centre, distance

    def extract(self, pl_module: LightningModule, batch: Batch, pooled: Features | None) -> Features:
        """Return the features to compare, ``{modality: (B, D)}``."""
        return {name: each.extract(pl_module, batch, pooled) for name, each in self.features.items()}

    def evaluate(
        self, trainer: Trainer, pl_module: LightningModule, bank: Rows, queries: Rows, stage: str
    ) -> None:
        """Log the recalls; print them in ``test``."""
        table = {name: self._recalls(bank, queries, name) for name in self.features}
        for modality, recalls in table.items():
            suffix = f"_{modality}" if len(table) > 1 else ""
            for name, value in recalls.items():
                pl_module.log(f"{stage}/{name}{suffix}", value, sync_dist=True)
        if stage == "test":
            print_tables(trainer, {"retrieval": table}, "test/retrieval")

    def _recalls(self, bank: Rows, queries: Rows, modality: str) -> dict[str, float]:
        targets, labels = (class_of_each(rows, "RetrievalEvaluation") for rows in (queries, bank))
        query, gallery = (rows.features[modality] for rows in (queries, bank))
        if self.centre:
            query, gallery = centred(query), centred(gallery)
        nearest = sharded_top_k(*_PAIRS[self.distance](query, gallery), labels, bank.index, self.ks[-1])
        return {f"recall@{k}": value for k, value in recall_at_k(nearest.labels, targets, self.ks).items()}


def _by_modality(features: RetrievalFeatures | list[RetrievalFeatures]) -> dict[str, RetrievalFeatures]:
    listed = features if isinstance(features, list) else [features]
    by_modality = {each.modality: each for each in listed}
    if len(by_modality) != len(listed) or not by_modality:
        names = ", ".join(each.modality for each in listed) or "no modality"
        raise ValueError(
            f"RetrievalEvaluation: got features of {names}; expected one, or a list with one per modality"
        )
    return by_modality
