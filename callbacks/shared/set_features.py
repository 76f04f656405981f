"""Features of evaluation sets, selected by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.shared.rows import RowCollection
from unlabelled.batch import Batch
from unlabelled.modalities import parts_of


class Direction(NamedTuple):
    """Names of the features of the queries and of the features of the gallery."""

    query: str
    gallery: str

    @property
    def tag(self) -> str:
        """Part of the names of metrics: ``text_to_video+audio``."""
        return f"{self.query}_to_{self.gallery}"

    def __str__(self) -> str:
        return f"{self.query}->{self.gallery}"


def parse_direction(text: str, owner: str) -> Direction:
    """Parse ``<query>-><gallery>``.

    >>> parse_direction("text -> video+audio", "ZeroShotRetrieval")
    Direction(query='text', gallery='video+audio')

    Raises:
        ValueError: The text has another form, or a name is no feature; the message names the callback,
            ``owner``.
    """
    ends = [end.strip() for end in text.split("->")]
    if len(ends) != 2 or not all(ends):
        raise ValueError(
            f"{owner}: direction {text!r}; expected `<query>-><gallery>`, such as `text->video+audio`"
        )
    for end in ends:
        parts_of(end)
    return Direction(*ends)


def select_feature(features: Mapping[str, Tensor], name: str, owner: str) -> Tensor:
    """Return the feature ``(B, D)`` with a name.

    Raises:
        MisconfigurationException: The method has no such feature; the message lists those that it has.
    """
    if name not in features:
        raise MisconfigurationException(
            f"{owner}: the method has no features {name!r} of this set, only {', '.join(features)}; change "
            "the callback's options"
        )
    return features[name]


class SelectedFeatures(RowCollection):
    """Features with certain names, float32 on the CPU.

    Args:
        names: Names of the features.
        owner: Name of the callback, for messages.
    """

    def __init__(self, names: Sequence[str], owner: str) -> None:
        super().__init__(owner, torch.device("cpu"))
        self._names = names

    def add(self, batch: Batch, columns: Mapping[str, Tensor], keep: Tensor | None = None) -> None:
        """Append the features of a batch.

        Raises:
            MisconfigurationException: The method has no feature of a name.
        """
        selected = {name: select_feature(columns, name, self.owner).float() for name in self._names}
        super().add(batch, selected, keep)
