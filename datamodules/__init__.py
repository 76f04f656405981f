"""One data module per data set."""

from datamodules.ave import AVE
from datamodules.base import ClipDataModule
from datamodules.embedded import Embedded
from datamodules.kinetics import Kinetics, KineticsSound
from datamodules.vggsound import VGGSound

__all__ = ["AVE", "ClipDataModule", "Embedded", "Kinetics", "KineticsSound", "VGGSound"]
