"""From decoded media to tensors."""

from unlabelled.transforms.audio import LogMel
from unlabelled.transforms.audio_visual import AudioVisualView
from unlabelled.transforms.augmentation import Augmentation
from unlabelled.transforms.clips import AugmentedClip, ContrastiveClips
from unlabelled.transforms.contrastive_sounds import ContrastiveSounds
from unlabelled.transforms.crops import AugmentedCrop, Crop, PaddedCrop, RandomResizedCrop
from unlabelled.transforms.frame_and_sound import FrameAndSound
from unlabelled.transforms.frames import L3Colours, ResizedCrop
from unlabelled.transforms.images import ContrastiveImages, LabelledImages
from unlabelled.transforms.labelled_clips import LabelledClips
from unlabelled.transforms.log_spectrogram import LogSpectrogram
from unlabelled.transforms.masking import SpectrogramMasks
from unlabelled.transforms.presets import Strong, StrongAlpha, StrongBeta, StrongGamma, Weak
from unlabelled.transforms.sound import SoundView
from unlabelled.transforms.spectrogram import Spectrogram
from unlabelled.transforms.transformed_clips import TransformedClips
from unlabelled.transforms.uncropped_clips import UncroppedClips
from unlabelled.transforms.vggish_mel import VGGishMel
from unlabelled.transforms.view import ClipView, ImageView, View

__all__ = [
    "AudioVisualView",
    "Augmentation",
    "AugmentedClip",
    "AugmentedCrop",
    "ClipView",
    "ContrastiveClips",
    "ContrastiveImages",
    "ContrastiveSounds",
    "Crop",
    "FrameAndSound",
    "ImageView",
    "L3Colours",
    "LabelledClips",
    "LabelledImages",
    "LogMel",
    "LogSpectrogram",
    "PaddedCrop",
    "RandomResizedCrop",
    "ResizedCrop",
    "SoundView",
    "Spectrogram",
    "SpectrogramMasks",
    "Strong",
    "StrongAlpha",
    "StrongBeta",
    "StrongGamma",
    "TransformedClips",
    "UncroppedClips",
    "VGGishMel",
    "View",
    "Weak",
]
