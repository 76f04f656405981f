"""Encoders shared by all methods."""

from unlabelled.encoders.audio import AudioResNet, SmallAudioEncoder
from unlabelled.encoders.base import MODALITY_NDIM, Encoder
from unlabelled.encoders.image import ImageResNet, SmallImageEncoder
from unlabelled.encoders.slow import ResNet3D
from unlabelled.encoders.video import R2Plus1D18, SmallVideoEncoder

__all__ = [
    "MODALITY_NDIM",
    "AudioResNet",
    "Encoder",
    "ImageResNet",
    "R2Plus1D18",
    "ResNet3D",
    "SmallAudioEncoder",
    "SmallImageEncoder",
    "SmallVideoEncoder",
]
