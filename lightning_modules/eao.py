"""EAO: Everything at Once, one fusion transformer for all modalities (Shvetsova et al. 2022)."""

from __future__ import annotations

from typing import Any

from lightning_modules.base import log_means
from lightning_modules.text_video_audio import TextVideoAudio
from unlabelled.batch import Batch
from unlabelled.encoders import not_finite_shares

_WITH_AUDIO = {
    "text-video": 1.0,
    "text-audio": 0.1,
    "video-audio": 0.1,
    "text-video+audio": 0.1,
    "video-text+audio": 0.1,
    "audio-text+video": 0.1,
}
_WITHOUT_AUDIO = {"text-video": 1.0}


class EAO(TextVideoAudio):
    """Contrast single and fused features of text, video and audio.

    Each fused feature in ``pair_weights`` needs one more pass through the transformer, with the tokens of
    both modalities.

    Args:
        pair_weights: ``null``: 1 for text and video, 0.1 for each of the five pairs with audio.
        **kwargs: See :class:`~lightning_modules.text_video_audio.TextVideoAudio`.

    Source: Shvetsova et al. 2022 (arXiv:2112.04446); ninatu/everything_at_once,
    everything_at_once/model/fusion_model.py; docs/methods/sspc.md#eao.
    """

    def __init__(self, pair_weights: dict[str, float] | None = None, **kwargs: Any) -> None:
        if pair_weights is None:
            pair_weights = _WITH_AUDIO if kwargs.get("audio") is not None else _WITHOUT_AUDIO
        super().__init__(pair_weights=pair_weights, **kwargs)
        self.save_hyperparameters()

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the weighted mean of the pairs' losses."""
        encoded = self.encode_tokens(batch)
        report = self.contrast(self.single_features(encoded), encoded)
        report |= not_finite_shares(self.encoders, batch)
        log_means(self, {"loss": report["nce"], **report}, len(encoded.nonempty["text"]))
        return {"loss": report["nce"]}
