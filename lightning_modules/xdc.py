"""XDC: self-supervised learning by cross-modal audio-video clustering (Alwassel et al. 2020)."""

from __future__ import annotations

from typing import Any, Literal

from lightning.pytorch.cli import OptimizerCallable

from lightning_modules.deep_cluster import FeatureClustered
from unlabelled.encoders import Encoder

Teacher = Literal["other", "own", "both", "concatenated"]


class XDC(FeatureClustered):
    """DeepCluster with two encoders; each modality learns the clusters of the other one.

    Args:
        video_encoder: Encoder of video ``(B, 3, T, H, W)``, or of single frames ``(B, 3, H, W)``.
        audio_encoder: Encoder of spectrograms ``(B, 1, F, T)``.
        optimizer: Called with two groups of parameters.
        num_clusters: K (from memory of the paper, not checked: 64 on Kinetics, 128 on AudioSet).
        teacher: The clusters that a modality learns: clusters of the ``other`` modality (XDC), of its
            ``own`` features (SDC), of ``both`` with a head for each (MDC), or of both features
            ``concatenated`` (CDC).
        **kwargs: ``missing_modalities``, see docs/methods/selavi.md#missing-modalities; others, see
            :class:`~lightning_modules.base.BaseModule`.

    Source: arXiv:1911.12667, section 3; docs/methods/selavi.md#xdc.
    """

    def __init__(
        self,
        video_encoder: Encoder,
        audio_encoder: Encoder,
        optimizer: OptimizerCallable,
        num_clusters: int = 64,
        teacher: Teacher = "other",
        **kwargs: Any,
    ) -> None:
        video, audio = video_encoder.modality, audio_encoder.modality
        alone, together = [[video], [audio]], [[video, audio]]
        learned = {
            "other": {video: [1], audio: [0]},
            "own": {video: [0], audio: [1]},
            "both": {video: [0, 1], audio: [0, 1]},
            "concatenated": {video: [0], audio: [0]},
        }
        if teacher not in learned:
            raise ValueError(f"XDC: teacher is {teacher!r}, expected one of {', '.join(learned)}")
        sources = together if teacher == "concatenated" else alone
        encoders = (video_encoder, audio_encoder)
        super().__init__(encoders, sources, optimizer, num_clusters, learned[teacher], **kwargs)
        self.save_hyperparameters()
