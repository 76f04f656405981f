"""Encoders shared by all methods."""

from unlabelled.encoders.audio import AudioResNet, SmallAudioEncoder
from unlabelled.encoders.base import Encoder
from unlabelled.encoders.video import R2Plus1D18, SmallVideoEncoder

__all__ = ["AudioResNet", "Encoder", "R2Plus1D18", "SmallAudioEncoder", "SmallVideoEncoder"]
