"""The drawn images: small pictures of shapes and textures, written on the spot, to try everything on."""

from unlabelled.data.synthetic.drawn.contact_sheet import contact_sheet
from unlabelled.data.synthetic.drawn.image import CLASSES
from unlabelled.data.synthetic.drawn.writer import write_drawn

__all__ = ["CLASSES", "contact_sheet", "write_drawn"]
