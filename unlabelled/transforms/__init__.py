"""Transforms of tensors: augmentations, crops, spectrograms."""

from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.crops import AugmentedCrop, Crop, PaddedCrop, RandomResizedCrop
from unlabelled.transforms.frame_augmentation import L3Colours, ResizedCrop
from unlabelled.transforms.log_mel import LogMel
from unlabelled.transforms.log_spectrogram import LogSpectrogram
from unlabelled.transforms.masking import SpectrogramMasks
from unlabelled.transforms.presets import Strong, StrongAlpha, StrongBeta, StrongGamma, Weak
from unlabelled.transforms.spectrogram import Spectrogram
from unlabelled.transforms.vggish_mel import VGGishMel

__all__ = [
    "Augmentation",
    "AugmentedCrop",
    "Crop",
    "L3Colours",
    "LogMel",
    "LogSpectrogram",
    "PaddedCrop",
    "RandomResizedCrop",
    "ResizedCrop",
    "Spectrogram",
    "SpectrogramMasks",
    "Strong",
    "StrongAlpha",
    "StrongBeta",
    "StrongGamma",
    "VGGishMel",
    "Weak",
]
