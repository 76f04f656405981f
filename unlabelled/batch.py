"""The dictionaries that data modules, methods and callbacks exchange."""

from __future__ import annotations

from typing import Any

from torch import Tensor

Batch = dict[str, Any]
"""``video (B, 3, T, H, W)``, ``image (B, 3, H, W)``, ``audio (B, 1, F, T)``, ``label (B,)``, ``index (B,)``,
``replaced (B,)``.

In training, ``views`` is a list of the views of each sample, tensors ``(B, ...)``; for shifted and reversed
copies of clips ``views[shift][direction]`` is a batch of its own. In evaluation, crops are one more dimension
after B. A frame with its audio has ``frame_second (B,)``, its time in the file in seconds. Audio that is
read with video or a frame has ``silent (B,)``, True if it is silent, or if there is no audio track.

Streams of pre-extracted features have a mask, False for padding: ``text (B, W, D)`` with
``text_mask (B, W)``, ``video_features (B, T, D)`` with ``video_mask (B, T)``, and log-mel ``audio
(B, 1, F, T)`` with ``audio_mask (B, T)``."""

Features = dict[str, Tensor]
"""One pooled feature per modality: ``{modality: (B, D)}``; zeros for a missing one that a method leaves out.

The key of a fused feature is the names of its modalities, joined by ``+``, in the order text, video, audio.
"""
