"""One method per module."""

from lightning_modules.base import BaseModule
from lightning_modules.classifier import Classifier, FineTune, LinearProbe
from lightning_modules.moco import MoCoV2
from lightning_modules.momentum_contrast import MomentumContrast
from lightning_modules.pretrained import Pretrained
from lightning_modules.ressl import ReSSL
from lightning_modules.sce import SCE
from lightning_modules.selavi import SeLaVi

__all__ = [
    "SCE",
    "BaseModule",
    "Classifier",
    "FineTune",
    "LinearProbe",
    "MoCoV2",
    "MomentumContrast",
    "Pretrained",
    "ReSSL",
    "SeLaVi",
]
