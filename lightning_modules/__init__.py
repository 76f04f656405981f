"""The methods, one per module, and their base classes."""

from lightning_modules.action_detector import ActionDetector
from lightning_modules.audio_visual import AudioVisual
from lightning_modules.base import BaseModule
from lightning_modules.classifier import Classifier, FineTune, LinearProbe
from lightning_modules.deep_cluster import DeepCluster
from lightning_modules.deep_cluster_v2 import DeepClusterV2
from lightning_modules.detector import Detector
from lightning_modules.dmc import DMC
from lightning_modules.eao import EAO
from lightning_modules.gdt import GDT
from lightning_modules.l3_net import L3Net
from lightning_modules.mcn import MCN
from lightning_modules.moco_v2 import MoCoV2
from lightning_modules.momentum_contrast import MomentumContrast
from lightning_modules.pretrained import Pretrained
from lightning_modules.ressl import ReSSL
from lightning_modules.sce import SCE
from lightning_modules.sela import SeLa
from lightning_modules.selavi import SeLaVi
from lightning_modules.shhc import SHHC
from lightning_modules.simplified_dmc import SimplifiedDMC
from lightning_modules.sspc import SSPC
from lightning_modules.text_video_audio import TextVideoAudio
from lightning_modules.trained_encoder import TrainedEncoder, load_encoder
from lightning_modules.xdc import XDC

__all__ = [
    "DMC",
    "EAO",
    "GDT",
    "MCN",
    "SCE",
    "SHHC",
    "SSPC",
    "XDC",
    "ActionDetector",
    "AudioVisual",
    "BaseModule",
    "Classifier",
    "DeepCluster",
    "DeepClusterV2",
    "Detector",
    "FineTune",
    "L3Net",
    "LinearProbe",
    "MoCoV2",
    "MomentumContrast",
    "Pretrained",
    "ReSSL",
    "SeLa",
    "SeLaVi",
    "SimplifiedDMC",
    "TextVideoAudio",
    "TrainedEncoder",
    "load_encoder",
]
