"""Small data sets composed of images in motion and audio: garments, digits, patterns."""

from unlabelled.data.synthetic.composed.base import ComposedClass, ComposedSet, Style
from unlabelled.data.synthetic.composed.digits import DigitsSet
from unlabelled.data.synthetic.composed.garments import GarmentsSet, SmallGarmentsSet
from unlabelled.data.synthetic.composed.images import write_composed_images
from unlabelled.data.synthetic.composed.patterns import PatternsSet
from unlabelled.data.synthetic.composed.writer import write_composed

__all__ = [
    "ComposedClass",
    "ComposedSet",
    "DigitsSet",
    "GarmentsSet",
    "PatternsSet",
    "SmallGarmentsSet",
    "Style",
    "write_composed",
    "write_composed_images",
]
