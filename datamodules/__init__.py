"""One data module per data set."""

from datamodules.action_clips import HMDB51, UCF101
from datamodules.ave import AVE
from datamodules.base import SampleDataModule
from datamodules.cifar import CIFAR10, CIFAR100
from datamodules.clips import ClipDataModule
from datamodules.drawn_images import DrawnImages
from datamodules.embedded import Embedded
from datamodules.image_folders import ImageFolder, ImageNet, ImageNet100
from datamodules.images import ImageDataModule
from datamodules.kinetics import Kinetics, KineticsSound
from datamodules.something_something import SomethingSomethingV2
from datamodules.stl10 import STL10
from datamodules.tiny_imagenet import TinyImageNet
from datamodules.vggsound import VGGSound
from datamodules.voc2007 import VOC2007

__all__ = [
    "AVE",
    "CIFAR10",
    "CIFAR100",
    "HMDB51",
    "STL10",
    "UCF101",
    "VOC2007",
    "ClipDataModule",
    "DrawnImages",
    "Embedded",
    "ImageDataModule",
    "ImageFolder",
    "ImageNet",
    "ImageNet100",
    "Kinetics",
    "KineticsSound",
    "SampleDataModule",
    "SomethingSomethingV2",
    "TinyImageNet",
    "VGGSound",
]
