"""Decode image files, and scale frames."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import IO, Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn.functional import interpolate

from unlabelled.data.media.disk import open_file
from unlabelled.data.media.reader import DecodeError

Pixels: TypeAlias = NDArray[np.uint8]
T = TypeVar("T")
_PNG = b"\x89PNG\r\n\x1a\n"
# No other parsers see a file, whatever its ending: Pillow would pass PostScript to Ghostscript.
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TGA", "TIFF", "WEBP")
MAX_PIXELS = 89_478_485
"""Largest number of pixels of an image, 256 MiB as RGB; Pillow warns of larger ones."""


def decode_image(path: str) -> Tensor:
    """Return an image file as RGB, uint8 ``(3, H, W)``; it may be grey, palette, CMYK or transparent.

    Pixels of 16 bits, and floats from 0 to 1, are scaled to 8 bits. Transparent pixels are those of a white
    background. As in torchvision's ``ImageFolder``, the orientation in EXIF is not applied. The first image
    is decoded if the file has several. Formats are those of the list of endings
    (:data:`~unlabelled.data.media.files.IMAGE_SUFFIXES`) and JPEG 2000, whatever the ending of the file.

    Raises:
        DecodeError: There is no such file, it is damaged or of another format, it has more than
            :data:`MAX_PIXELS` pixels, or its numbers have no known range.
    """
    pixels = _with_image(path, lambda image: _to_rgb(path, image))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def image_size(path: str) -> tuple[int, int]:
    """Return the width and the height that the header of an image file states; its pixels are not decoded.

    Raises:
        DecodeError: As :func:`decode_image`, but for damage after the header.
    """
    return _with_image(path, lambda image: image.size)


def _with_image(path: str, read: Callable[[Image.Image], T]) -> T:
    try:
        return _opened(path, read)
    except FileNotFoundError as error:
        raise DecodeError(path, "no such file") from error
    except DecodeError:
        raise
    except Exception as error:  # Pillow's parsers raise errors of all types for damaged files
        raise DecodeError(path, _reason(error)) from error


def _opened(path: str, read: Callable[[Image.Image], T]) -> T:
    """Read an image; a PNG file that Pillow refuses as a copy without texts."""
    try:
        with open_file(path) as file, _open(path, file) as image:
            return read(image)
    except ValueError:  # Pillow limits the texts beside the pixels
        shorter = without_text(_read(path))
        if shorter is None:
            raise
        with _open(path, io.BytesIO(shorter)) as image:
            return read(image)


def _read(path: str) -> bytes:
    with open_file(path) as file:
        return file.read()


def _open(path: str, file: IO[bytes]) -> Image.Image:
    """Read the header of an image; the pixels are decoded later."""
    image = Image.open(file, formats=_FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise DecodeError(path, f"{image.width} x {image.height} pixels are too many; at most {MAX_PIXELS}")
    return image


def _to_rgb(path: str, image: Image.Image) -> Pixels:
    """Return ``(H, W, 3)`` uint8."""
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, 2)
    if image.mode in ("I", "F"):
        return np.repeat(_scaled(path, np.asarray(image))[:, :, None], 3, 2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(white, layer)
    return np.array(image.convert("RGB"))


def _scaled(path: str, values: NDArray[Any]) -> Pixels:
    """Return numbers of 32 bits as uint8: floats from 0 to 1, or integers of 16 bits."""
    low, high = values.min(), values.max()
    limit = 1 if values.dtype.kind == "f" else 65535
    if not 0 <= low <= high <= limit:  # also for NaN
        raise DecodeError(
            path, f"pixels of 32 bits from {low:g} to {high:g}, expected 0 to {limit}; write 8 or 16 bits"
        )
    return np.round(values / limit * 255).astype(np.uint8)


def without_text(content: bytes) -> bytes | None:
    """Return a PNG file without its texts; None: the file is no PNG, or has none."""
    if not content.startswith(_PNG):
        return None
    kept, start = [_PNG], len(_PNG)
    while start + 8 <= len(content):
        end = start + 12 + int.from_bytes(content[start : start + 4])
        if content[start + 4 : start + 8] not in (b"tEXt", b"zTXt", b"iTXt"):
            kept.append(content[start:end])
        start = end
    shorter = b"".join(kept)
    return shorter if len(shorter) < len(content) else None


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
