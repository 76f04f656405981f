"""Decode image files, and scale frames."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import interpolate

from unlabelled.data.media.reader import DecodeError


def decode_image(path: str) -> Tensor:
    """Return an image file as RGB, uint8 ``(3, H, W)``; it may be grey, palette, CMYK or transparent.

    As in torchvision's ``ImageFolder``, the pixels are those stored: the orientation in EXIF is not applied,
    and transparency is dropped. The first image is decoded if the file has several.

    Raises:
        DecodeError: There is no such file, or it is damaged.
    """
    try:
        with open(path, "rb") as file, Image.open(file) as image:
            pixels = np.array(image.convert("RGB"))
    except FileNotFoundError as error:
        raise DecodeError(path, "no such file") from error
    except Exception as error:  # Pillow's parsers raise errors of all types for damaged files
        raise DecodeError(path, _reason(error)) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


def scale_frames(frames: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return frames ``(T, H, W, 3)`` scaled to ``(T, height, width, 3)``, bilinear with antialiasing."""
    if frames.shape[1:3] == (height, width):
        return frames
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    resized = interpolate(images, (height, width), mode="bilinear", antialias=True)
    return resized.permute(0, 2, 3, 1).contiguous().numpy()


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image file"
    return f"undecodable: {str(error) or type(error).__name__}"
