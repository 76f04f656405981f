"""The drawn images: small generated images of shapes and textures, for demos and tests."""

from unlabelled.data.synthetic.drawn.contact_sheet import contact_sheet
from unlabelled.data.synthetic.drawn.image import CLASSES
from unlabelled.data.synthetic.drawn.writer import write_drawn

__all__ = ["CLASSES", "contact_sheet", "write_drawn"]
