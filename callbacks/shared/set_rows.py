"""What is remembered of a set's samples while a zero-shot evaluation goes through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from callbacks.shared.feature_collection import FeatureCollection, Rows
from unlabelled.batch import Batch, Features

_PER_SAMPLE = ("label", "index", "replaced")


class SetRows(Protocol):
    """What one rank remembers of a set's samples."""

    @property
    def replaced(self) -> int:
        """Samples that could not be read; they are not among the rows."""
        ...

    def __len__(self) -> int:
        """Return the number of rows."""
        ...


RowsT = TypeVar("RowsT", bound=SetRows)


class Collection(ABC, Generic[RowsT]):
    """Gathers rows batch by batch."""

    @abstractmethod
    def add(self, batch: Batch, features: Features) -> None:
        """Append the samples of a batch."""

    @abstractmethod
    def finish(self) -> RowsT:
        """Return all rows."""


class HostFeatures(Collection[Rows]):
    """Chosen features of a set's samples, float32 on the CPU.

    Args:
        names: Of the features.
        owner: Who asks, for messages.
    """

    def __init__(self, names: Sequence[str], owner: str) -> None:
        self._names, self._owner = names, owner
        self._rows = FeatureCollection()

    def add(self, batch: Batch, features: Features) -> None:
        """Append a batch.

        Raises:
            MisconfigurationException: The method has no such features.
        """
        chosen = {name: chosen_feature(features, name, self._owner).cpu() for name in self._names}
        self._rows.add({key: batch[key].cpu() for key in _PER_SAMPLE}, chosen)

    def finish(self) -> Rows:
        """Return all rows."""
        return self._rows.finish()


def chosen_feature(features: Features, name: str, owner: str) -> Tensor:
    """Return one feature ``(B, D)``.

    Raises:
        MisconfigurationException: The method has no such feature; says which it has.
    """
    if name not in features:
        raise MisconfigurationException(
            f"{owner}: the method has no features {name!r} of this set, only {', '.join(features)}; change "
            "the callback's options"
        )
    return features[name]
