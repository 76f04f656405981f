"""Image files: decode."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from unlabelled.data.media.reader import DecodeError


def decode_image(path: str) -> Tensor:
    """Return the image as RGB, uint8 ``(3, H, W)``, from grey, palette, CMYK and transparent ones too.

    Like torchvision's ``ImageFolder``: the pixels as stored (EXIF's orientation is not applied), transparency
    dropped. Of a file with several pictures the first counts.

    Raises:
        DecodeError: There is no such file, or it is damaged.
    """
    try:
        with open(path, "rb") as file, Image.open(file) as image:
            pixels = np.array(image.convert("RGB"))
    except FileNotFoundError as error:
        raise DecodeError(path, "no such file") from error
    except Exception as error:  # of a damaged file, Pillow's parsers let all kinds through
        raise DecodeError(path, _reason(error)) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image file"
    return f"undecodable: {str(error) or type(error).__name__}"
