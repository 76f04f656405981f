"""Interfaces of methods that compare images with audio, and of data modules with boxes."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from unlabelled.batch import Batch
from unlabelled.losses.sound_maps import Localised


@runtime_checkable
class ScoresPairs(Protocol):
    """A method that scores pairs of an image (or video) and an audio track.

    ``evaluation_step`` returns ``pair_codes``: ``{"visual": (B, ...), "audio": (B, ...)}``, the inputs of
    :meth:`pair_scores` for each clip.

    Attributes:
        pair_threshold: Pairs with a higher score are classified as matched; None: scores are only ranked.
    """

    pair_threshold: float | None

    def pair_scores(self, visual: Tensor, audio: Tensor) -> Tensor:
        """Return the scores ``(n,)`` of n pairs of codes; higher for pairs that match."""
        ...


@runtime_checkable
class Localises(Protocol):
    """A method that localises sound sources in images."""

    def localise(self, batch: Batch) -> Localised:
        """Return the localisation maps of a batch."""
        ...


@runtime_checkable
class HasBoxes(Protocol):
    """A data module with boxes around the sounding objects of its frames (for evaluation only).

    Attributes:
        box_agreement: Number of annotators whose agreement makes a pixel certainly part of an object.
    """

    box_agreement: float

    def boxes(self, split: str, row: int, second: float) -> Tensor:
        """Return the boxes of a row of a split at a time in its file, one per annotator.

        Returns:
            ``(annotators, 4)``: ``x0, y0, x1, y1`` as fractions of the frame.
        """
        ...


@runtime_checkable
class HasClassBoxes(Protocol):
    """A data module with boxes around the sounding objects of its frames, by class (for evaluation only)."""

    def class_boxes(self, split: str, row: int, second: float) -> dict[int, Tensor]:
        """Return the boxes ``(boxes, 4)`` of each sounding class at a time in the file of a row."""
        ...
