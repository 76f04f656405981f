"""Streams of a batch: word vectors, features of frozen networks, log-mel spectrograms, each with its mask."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from torch import Tensor, nn

if TYPE_CHECKING:
    from unlabelled.batch import Batch


class Tokens(NamedTuple):
    """A sequence of tokens for each item of a batch.

    Attributes:
        values: ``(B, T, D)``.
        mask: ``(B, T)`` bool, False where there is no token.
    """

    values: Tensor
    mask: Tensor

    @property
    def nonempty(self) -> Tensor:
        """``(B,)`` bool: whether an item has any token."""
        return self.mask.any(1)


class StreamEncoder(nn.Module, ABC):
    """Reads one stream of a batch.

    Attributes:
        modality: ``text``, ``video`` or ``audio``: its name in a method.
        key: The stream's key in a batch.
        in_dim: Width of the pre-extracted features; ``None`` where the encoder hears the signal itself.
    """

    modality: ClassVar[str]
    key: ClassVar[str]
    in_dim: int | None

    def stream(self, batch: Batch) -> Tokens:
        """Return the stream as it is in the batch: ``(B, T, in_dim)``, or spectrograms with a frame mask.

        Raises:
            ValueError: The batch lacks the stream or its mask, or the features have another width.
        """
        mask_key = f"{self.modality}_mask"
        if missing := [key for key in (self.key, mask_key) if key not in batch]:
            raise ValueError(
                f"{type(self).__name__}: the batch lacks {' and '.join(missing)}; it has {sorted(batch)}. "
                f"Let the data module read {self.modality}, or leave {self.modality} out of the model"
            )
        self._check_width(batch[self.key])
        return Tokens(batch[self.key], batch[mask_key].bool())

    def _check_width(self, values: Tensor) -> None:
        if self.in_dim is None or (values.ndim == 3 and values.shape[2] == self.in_dim):
            return
        raise ValueError(
            f"{type(self).__name__}: {self.key} has shape {tuple(values.shape)}; expected (batch, tokens, "
            f"{self.in_dim}); set --model.init_args.{self.modality}.init_args.in_dim to the features' width"
        )
