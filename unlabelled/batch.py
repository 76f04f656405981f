"""The dictionaries that data modules, methods and callbacks exchange."""

from __future__ import annotations

from typing import Any

from torch import Tensor

Batch = dict[str, Any]
"""``video (B, 3, T, H, W)``, ``image (B, 3, H, W)``, ``audio (B, 1, F, T)``, ``label (B,)``, ``index (B,)``,
``replaced (B,)``. Several views of a sample to train on are a list ``views``, copies of clips with their
sounds lists of such batches, ``views[shift][direction]``; several to be averaged in evaluation are one more
dimension after B. A frame with its sound comes with ``frame_second (B,)``, when it is shown in its file, and
``silent (B,)``.

Streams of pre-extracted features have a mask, False where there is nothing: ``text (B, W, D)`` with
``text_mask (B, W)``, ``video_features (B, T, D)`` with ``video_mask (B, T)``, and log-mel ``audio
(B, 1, F, T)`` with ``audio_mask (B, T)``."""

Features = dict[str, Tensor]
"""One pooled feature per modality: ``{modality: (B, D)}``.

What several modalities say together goes under their names joined by ``+``, in the order text, video, audio.
"""
