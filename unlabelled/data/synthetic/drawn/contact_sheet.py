"""A figure of the classes: one row of samples per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from unlabelled.data.synthetic.drawn.image import CLASSES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP = 3  # white pixels between samples
_ROW, _LABEL = 0.51, 0.85  # inches; the height of a row is that of an image and its gap at 100 dpi


def contact_sheet(root: str, path: str, per_class: int = 10) -> None:
    """Draw the first training images of each class of a drawn data set into a PNG file; a row is a class.

    Args:
        root: Folder of a data set written by :func:`~.writer.write_drawn`.
        path: The PNG file to write.
        per_class: Images in each row; 1 or more.

    Raises:
        ValueError: ``per_class`` is below 1, or a class has fewer training images.
    """
    from matplotlib.figure import Figure  # imported here, since the import is slow

    if per_class < 1:
        raise ValueError(f"per_class {per_class} must be 1 or more")
    figure = Figure(figsize=(_LABEL + _ROW * per_class, _ROW * len(CLASSES)), dpi=100)
    for row, name in enumerate(CLASSES):
        _draw_row(figure, row, name, _read(Path(root), name, per_class))
    figure.savefig(path)


def _draw_row(figure: Figure, row: int, name: str, images: list[npt.NDArray[np.uint8]]) -> None:
    width, height = figure.get_size_inches()
    bottom = 1 - (row + 1) * _ROW / height
    figure.text(0.08 / width, bottom + _ROW / 2 / height, name, size=10, va="center")
    edge = ((_GAP, 0), (0, _GAP), (0, 0))
    strip = np.concatenate([np.pad(image, edge, constant_values=255) for image in images], axis=1)
    position = (_LABEL / width, bottom, 1 - _LABEL / width, _ROW / height)
    axes = figure.add_axes(position, xticks=[], yticks=[], frame_on=False)
    axes.imshow(strip, aspect="auto", interpolation="nearest")


def _read(root: Path, name: str, count: int) -> list[npt.NDArray[np.uint8]]:
    """Return the first images ``(48, 48, 3)`` of a class."""
    paths = sorted((root / "train" / name).glob("*.png"))
    if len(paths) < count:
        raise ValueError(f"{root / 'train' / name}: {len(paths)} images, but per_class is {count}")
    return [np.asarray(Image.open(path).convert("RGB")) for path in paths[:count]]
