"""What a method that compares images with audio offers, and data with boxes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from unlabelled.batch import Batch
from unlabelled.losses.sound_maps import Localised


@runtime_checkable
class ScoresPairs(Protocol):
    """A method that says how well a picture and a sound belong together.

    ``evaluation_step`` returns ``pair_codes``: ``{"visual": (B, ...), "audio": (B, ...)}``, all that it needs
    of a clip for that.

    Attributes:
        pair_threshold: A pair that scores higher is taken for a true one; None: only the order counts.
    """

    pair_threshold: float | None

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return the scores ``(n,)`` of n pairs of codes."""
        ...


@runtime_checkable
class Localises(Protocol):
    """A method that says where in the picture a sound comes from."""

    def localise(self, batch: Batch) -> Localised:
        """Return the maps of a batch."""
        ...


@runtime_checkable
class HasBoxes(Protocol):
    """A data module that knows where in its frames the sounding objects are (for evaluation only).

    Attributes:
        box_agreement: As many annotators make it certain that a pixel belongs to one.
    """

    box_agreement: float

    def boxes(self, split: str, row: int, second: float) -> Tensor:
        """Return ``(annotators, 4)``, ``x0, y0, x1, y1`` as fractions of the frame, at a time in the file."""
        ...
