"""The leaves of a hierarchy, samples or centroids, and their similarities."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike

from unlabelled.hierarchy.tree import Floats

logger = logging.getLogger(__name__)
Similarity = Literal["half_cosine", "positive_cosine"]
"""w = (1 + cos) / 2 (HypHC), or max(cos, 0), which has more contrast; the sHHC paper states neither."""


@dataclass(frozen=True, eq=False)
class Leaves:
    """K leaves and their similarities, in float64.

    Args:
        similarity: ``(K, K)`` symmetric, w between leaves, per pair of samples; the diagonal is 0 and unused.
        counts: ``(K,)`` positive, numbers of samples of the leaves; all 1 if leaves are samples, or for the
            cost of the centroids alone.
        features: ``(K, d)`` unit vectors from which the similarity was computed; None: unknown.

    Example:
        >>> leaves = Leaves.from_features([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
        >>> leaves.similarity.tolist()
        [[0.0, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.0]]
    """

    similarity: Floats
    counts: Floats
    features: Floats | None = None

    @classmethod
    def from_features(
        cls,
        features: ArrayLike | torch.Tensor,
        similarity: Similarity = "half_cosine",
        counts: ArrayLike | torch.Tensor | None = None,
    ) -> Leaves:
        """Make leaves from features ``(K, d)`` of any norms.

        The cosine of a zero feature with all others is 0.

        Raises:
            ValueError: Wrong shape, numbers that are not finite, or an unknown similarity.
        """
        rows = _array(features)
        if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
            raise ValueError(
                f"Leaves: features of shape {rows.shape}, with {np.count_nonzero(~np.isfinite(rows))} NaN or "
                "infinite numbers; expected (leaves, dimensions), all finite"
            )
        rows = unit_rows(rows)
        return cls.from_similarity(_similarity(rows @ rows.T, similarity), counts, rows)

    @classmethod
    def from_similarity(
        cls,
        similarity: ArrayLike | torch.Tensor,
        counts: ArrayLike | torch.Tensor | None = None,
        features: Floats | None = None,
    ) -> Leaves:
        """Make leaves from similarities ``(K, K)``.

        Raises:
            ValueError: They are not finite or not symmetric, or the counts are not positive.
        """
        weights = _array(similarity)
        if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or not np.isfinite(weights).all():
            raise ValueError(f"Leaves: the similarity has shape {weights.shape}; expected (K, K), all finite")
        if not np.allclose(weights, weights.T, rtol=1e-5, atol=1e-8):
            raise ValueError("Leaves: the similarity is not symmetric; give (w + w.T) / 2 if that is meant")
        weights = (weights + weights.T) / 2
        np.fill_diagonal(weights, 0)
        sizes = np.ones(len(weights)) if counts is None else _array(counts)
        if sizes.shape != (len(weights),) or not (np.isfinite(sizes) & (sizes > 0)).all():
            raise ValueError(
                f"Leaves: counts of shape {sizes.shape} for {len(weights)} leaves; expected one positive "
                "number each (drop empty clusters first)"
            )
        return cls(weights, sizes, features)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def weights(self) -> Floats:
        """Sums ``(K, K)`` of the similarities over all pairs of samples, ``n_k n_l w_kl``."""
        return self.similarity * np.outer(self.counts, self.counts)

    @property
    def dissimilarity(self) -> Floats:
        """Dissimilarities ``1 - w (K, K)``, at least 0; the diagonal is 0."""
        distances = np.maximum(1 - self.similarity, 0)
        np.fill_diagonal(distances, 0)
        return distances


def unit_rows(features: Floats) -> Floats:
    """Scale rows to unit length; rows of zeros stay, and their number is logged as a warning."""
    scale = np.abs(features).max(1, keepdims=True)  # prevents overflow and underflow of the squares
    scaled = features / np.where(scale > 0, scale, 1)
    if (empty := int((scale == 0).sum())) > 0:
        logger.warning(
            "%d of %d features are all zeros: their cosine with all others is 0", empty, len(scale)
        )
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / np.where(norms > 0, norms, 1)


def _similarity(cosines: Floats, similarity: Similarity) -> Floats:
    if similarity == "half_cosine":
        return (1 + cosines.clip(-1, 1)) / 2
    if similarity == "positive_cosine":
        return cosines.clip(0, 1)
    raise ValueError(f"Leaves: similarity={similarity!r}; expected half_cosine or positive_cosine")


def _array(values: ArrayLike | torch.Tensor) -> Floats:
    if isinstance(values, torch.Tensor):
        values = values.detach().to("cpu", torch.float64).numpy()
    return np.array(values, dtype=np.float64)
