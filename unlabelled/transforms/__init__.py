"""From decoded media to tensors."""

from unlabelled.transforms.audio import LogMel
from unlabelled.transforms.audio_visual import AudioVisualView
from unlabelled.transforms.view import ClipView

__all__ = ["AudioVisualView", "ClipView", "LogMel"]
