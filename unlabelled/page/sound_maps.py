"""Sound localisation maps on a page: images of the colours that lie over the thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlabelled.data.media.storage import write_atomically
from unlabelled.page.preview import Preview

_OPACITY = 0.75  # of the largest value; the smallest is transparent


def write_maps(maps: NDArray[np.float32], previews: Sequence[Preview], folder: Path) -> list[int]:
    """Write ``<thumbnail>_map.png`` of each sample with a thumbnail and a map; return 1 for these, else 0.

    Args:
        maps: ``(n, h, w)``, larger at the source of the audio; NaN: there is no map.
        previews: The previews of the n samples.
        folder: Their folder.
    """
    written = []
    for values, preview in zip(maps, previews, strict=True):
        has_map = bool(preview.thumbnail) and bool(np.isfinite(values).all())
        written.append(int(has_map))
        if has_map:
            thumbnail = folder / preview.thumbnail
            image = overlay(values, Image.open(thumbnail).size)
            path = thumbnail.with_name(f"{thumbnail.stem}_map.png")
            write_atomically(str(path), lambda file, image=image: image.save(file, "PNG"))  # type: ignore[misc]
    return written


def overlay(values: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """Return a map ``(h, w)`` as RGBA image of ``size``, whose opacity grows with the value."""
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    grey = Image.fromarray((255 * scaled).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    smooth = np.asarray(grey, np.float32) / 255
    colours = matplotlib.colormaps["inferno"](smooth)
    colours[..., 3] = _OPACITY * smooth
    return Image.fromarray((255 * colours).astype(np.uint8), "RGBA")
