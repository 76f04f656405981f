"""Real data that small data sets are made of: photographs of garments, and sampled instruments."""

from unlabelled.data.real.fashion_mnist import FASHION_MNIST_CLASSES, get_fashion_mnist
from unlabelled.data.real.sound_font import get_sound_font
from unlabelled.data.real.source import Source

__all__ = ["FASHION_MNIST_CLASSES", "Source", "get_fashion_mnist", "get_sound_font"]
