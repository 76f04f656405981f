"""Features of the training set, as a clustering pass remembers them."""

from __future__ import annotations

import torch
from torch import Tensor

from unlabelled.batch import Features
from unlabelled.distributed import all_reduce_max_, all_reduce_sum_


class FeatureBank:
    """One rank's rows: index, features by modality, ground truth for the report.

    Attributes:
        unread: Rows of the data set that no rank has, known after :meth:`finish`.
    """

    def __init__(self) -> None:
        self._index: list[Tensor] = []
        self._features: dict[str, list[Tensor]] = {}
        self._labels: list[Tensor] = []
        self.unread = 0

    def add(self, index: Tensor, features: Features, labels: Tensor | None, keep: Tensor) -> None:
        """Append the rows of a batch where ``keep (B,)`` holds."""
        self._index.append(index[keep])
        for name, feature in features.items():
            self._features.setdefault(name, []).append(feature[keep].float())
        if labels is not None:
            self._labels.append(labels[keep])

    def finish(self, num_samples: int) -> tuple[Tensor, Features, Tensor | None]:
        """Return index ``(n,)``, features ``{modality: (n, D)}`` and labels ``(n,)``; the bank is empty then.

        Raises:
            ValueError: A feature is not finite.
            RuntimeError: A row was remembered twice.
        """
        if not self._index:
            raise ValueError("clustering pass: a process has no clips; use fewer processes than clips")
        index, labels = torch.cat(self._index), torch.cat(self._labels) if self._labels else None
        # One modality after the other, so that only of one the parts and the whole are alive together.
        features = {name: torch.cat(self._features.pop(name)) for name in list(self._features)}
        self._index, self._labels = [], []
        for name, feature in features.items():
            broken = (~torch.isfinite(feature)).any().int()
            if all_reduce_max_(broken):  # on all ranks, or the others would wait for this one
                raise ValueError(
                    f"clustering pass: {name} features are not finite; the training has diverged (lower the "
                    "learning rate, or use --trainer.precision 32)"
                )
        visits = torch.zeros(num_samples, dtype=torch.int32, device=index.device)
        visits.index_add_(0, index, torch.ones_like(index, dtype=torch.int32))
        all_reduce_sum_(visits)
        if (visits > 1).any():
            row = int(visits.argmax())
            raise RuntimeError(f"clustering pass: row {row} was visited {int(visits[row])} times")
        self.unread = int((visits == 0).sum())
        return index, features, labels
