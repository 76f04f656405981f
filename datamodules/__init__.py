"""Data modules, one class per data set."""

from datamodules.action_clips import HMDB51, UCF101
from datamodules.ava import AVA
from datamodules.ave import AVE
from datamodules.base import SampleDataModule
from datamodules.captioned_videos import MSRVTT, MSVD, CaptionedVideoModule, YouCook2
from datamodules.cifar import CIFAR10, CIFAR100
from datamodules.clips import ClipDataModule
from datamodules.coco import COCO
from datamodules.composed import Digits, Garments, Patterns, SmallGarments
from datamodules.composed_images import ComposedImages
from datamodules.dcase2014 import DCASE2014
from datamodules.drawn_images import DrawnImages
from datamodules.embedded import Embedded
from datamodules.embedded_features import EmbeddedFeatures
from datamodules.esc50 import ESC50
from datamodules.fashion_mnist import FashionMNIST
from datamodules.flickr_soundnet import FlickrSoundNet
from datamodules.generated_clips import GeneratedClips
from datamodules.howto100m import HowTo100M
from datamodules.image_folders import ImageFolder, ImageNet, ImageNet100
from datamodules.images import ImageDataModule
from datamodules.kinetics import Kinetics, KineticsSound
from datamodules.listed_images import ListedImages
from datamodules.matlab_sets import Flowers102, StanfordCars
from datamodules.own_clips import OwnClips, Sounds, Videos
from datamodules.own_images import Images
from datamodules.something_something import SomethingSomethingV2
from datamodules.stl10 import STL10
from datamodules.text_video import TextVideoDataModule
from datamodules.tiny_imagenet import TinyImageNet
from datamodules.transfer_sets import DTD, SUN397, Caltech101, FGVCAircraft, Food101, OxfordPets
from datamodules.vggsound import VGGSound
from datamodules.voc2007 import VOC2007

__all__ = [
    "AVA",
    "AVE",
    "CIFAR10",
    "CIFAR100",
    "COCO",
    "DCASE2014",
    "DTD",
    "ESC50",
    "HMDB51",
    "MSRVTT",
    "MSVD",
    "STL10",
    "SUN397",
    "UCF101",
    "VOC2007",
    "Caltech101",
    "CaptionedVideoModule",
    "ClipDataModule",
    "ComposedImages",
    "Digits",
    "DrawnImages",
    "Embedded",
    "EmbeddedFeatures",
    "FGVCAircraft",
    "FashionMNIST",
    "FlickrSoundNet",
    "Flowers102",
    "Food101",
    "Garments",
    "GeneratedClips",
    "HowTo100M",
    "ImageDataModule",
    "ImageFolder",
    "ImageNet",
    "ImageNet100",
    "Images",
    "Kinetics",
    "KineticsSound",
    "ListedImages",
    "OwnClips",
    "OxfordPets",
    "Patterns",
    "SampleDataModule",
    "SmallGarments",
    "SomethingSomethingV2",
    "Sounds",
    "StanfordCars",
    "TextVideoDataModule",
    "TinyImageNet",
    "VGGSound",
    "Videos",
    "YouCook2",
]
