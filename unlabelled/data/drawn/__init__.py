"""The drawn images: small pictures of shapes and textures, written on the spot, to try everything on."""

from .picture import CLASSES
from .sheet import contact_sheet
from .writer import write_drawn

__all__ = ["CLASSES", "contact_sheet", "write_drawn"]
