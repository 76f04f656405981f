"""Encoders of images, video, audio and text; any method can use any of them."""

from unlabelled.encoders.alexnet import AlexNet, Edges
from unlabelled.encoders.audio import AudioResNet, SmallAudioEncoder
from unlabelled.encoders.base import MODALITY_NDIM, Encoder
from unlabelled.encoders.clip_features import ClipAudio, ClipEncoder, ClipText, ClipVideo, PooledClip
from unlabelled.encoders.davenet import DAVEnet, DAVEnetV1, DAVEnetV2
from unlabelled.encoders.fusion import FusionTransformer, MaskingToken, masked_mean
from unlabelled.encoders.huggingface_network import HuggingFace
from unlabelled.encoders.image import ImageResNet, SmallImageEncoder, SmallVGG
from unlabelled.encoders.l3 import L3Audio, L3Vision
from unlabelled.encoders.library import LibraryEncoder
from unlabelled.encoders.mask_rcnn import mask_rcnn
from unlabelled.encoders.raw import RawAudio, RawImage, RawVideo
from unlabelled.encoders.slow import ResNet3D
from unlabelled.encoders.timm_network import Timm
from unlabelled.encoders.tokens import (
    AudioTokens,
    GatedUnit,
    StreamEncoder,
    TextTokens,
    TokenEncoder,
    Tokens,
    VideoTokens,
    not_finite_shares,
)
from unlabelled.encoders.torchvision_network import Torchvision
from unlabelled.encoders.vgg import VGG16, VGGishMaps
from unlabelled.encoders.video import R2Plus1D18, SmallVideoEncoder

__all__ = [
    "MODALITY_NDIM",
    "VGG16",
    "AlexNet",
    "AudioResNet",
    "AudioTokens",
    "ClipAudio",
    "ClipEncoder",
    "ClipText",
    "ClipVideo",
    "DAVEnet",
    "DAVEnetV1",
    "DAVEnetV2",
    "Edges",
    "Encoder",
    "FusionTransformer",
    "GatedUnit",
    "HuggingFace",
    "ImageResNet",
    "L3Audio",
    "L3Vision",
    "LibraryEncoder",
    "MaskingToken",
    "PooledClip",
    "R2Plus1D18",
    "RawAudio",
    "RawImage",
    "RawVideo",
    "ResNet3D",
    "SmallAudioEncoder",
    "SmallImageEncoder",
    "SmallVGG",
    "SmallVideoEncoder",
    "StreamEncoder",
    "TextTokens",
    "Timm",
    "TokenEncoder",
    "Tokens",
    "Torchvision",
    "VGGishMaps",
    "VideoTokens",
    "mask_rcnn",
    "masked_mean",
    "not_finite_shares",
]
