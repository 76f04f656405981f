"""What a data set asks to turn a file into a training sample."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from unlabelled.data.media import Reader


class ClipView(ABC):
    """Decides which seconds of a clip to read, reads them and makes tensors of them.

    One object serves training and evaluation, so that the two cannot disagree about sizes or sample rates.
    A method that needs other views of a clip brings another class; the data modules do not change.
    """

    @property
    @abstractmethod
    def seconds(self) -> float:
        """How long a file must be, at least."""

    @property
    @abstractmethod
    def needs_video(self) -> bool:
        """Whether a file without pictures is of no use."""

    @property
    @abstractmethod
    def needs_audio(self) -> bool:
        """Whether a file without sound is of no use."""

    @abstractmethod
    def load(
        self, reader: Reader, path: str, duration: float, rng: np.random.Generator, train: bool
    ) -> dict[str, Tensor]:
        """Return the tensors of one sample.

        Args:
            reader: Decodes the file.
            path: The file.
            duration: Its length in seconds.
            rng: All randomness of the sample comes from here.
            train: Random augmentation, or the one fixed view for evaluation.

        Raises:
            DecodeError: The file cannot be read.
        """
