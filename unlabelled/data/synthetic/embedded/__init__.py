"""The embedded data set: small generated videos with audio, for demos and tests."""

from unlabelled.data.synthetic.embedded.classes import FAMILIES
from unlabelled.data.synthetic.embedded.writer import write_embedded

__all__ = ["FAMILIES", "write_embedded"]
