"""From decoded media to tensors."""

from unlabelled.transforms.audio import LogMel
from unlabelled.transforms.audio_visual import AudioVisualView
from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.clips import AugmentedClip, ContrastiveClips
from unlabelled.transforms.crops import AugmentedCrop, Crop, PaddedCrop, RandomResizedCrop
from unlabelled.transforms.images import ContrastiveImages, LabelledImages
from unlabelled.transforms.labelled_clips import LabelledClips
from unlabelled.transforms.presets import Strong, StrongAlpha, StrongBeta, StrongGamma, Weak
from unlabelled.transforms.view import ClipView, ImageView, View

__all__ = [
    "AudioVisualView",
    "Augmentation",
    "AugmentedClip",
    "AugmentedCrop",
    "ClipView",
    "ContrastiveClips",
    "ContrastiveImages",
    "Crop",
    "ImageView",
    "LabelledClips",
    "LabelledImages",
    "LogMel",
    "PaddedCrop",
    "RandomResizedCrop",
    "Strong",
    "StrongAlpha",
    "StrongBeta",
    "StrongGamma",
    "View",
    "Weak",
]
