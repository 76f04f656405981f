"""The embedded data set: small real videos with sound, written on the spot, to try everything on."""

from .classes import FAMILIES
from .sheet import contact_sheet
from .writer import write_embedded

__all__ = ["FAMILIES", "contact_sheet", "write_embedded"]
