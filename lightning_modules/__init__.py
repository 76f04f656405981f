"""One method per module."""

from lightning_modules.base import BaseModule
from lightning_modules.selavi import SeLaVi

__all__ = ["BaseModule", "SeLaVi"]
