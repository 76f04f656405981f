"""From a few labels to a label of each sample with a confidence, and what should be labelled next.

Label spreading over the graph of nearest neighbours (Zhou et al. 2004), of scikit-learn.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unlabelled.hierarchy.tree import Floats, Indices

NEIGHBOURS = 15
"""Neighbours of a sample in the graph; 7 to 30 are right for as many of the embedded clips."""
_CLAMPING = 0.95  # share of a sample's label that it takes from its neighbours
_SURE = 0.9
_AGREEING = 3


@dataclass(frozen=True, eq=False)
class Propagated:
    """Labels of n samples.

    Args:
        names: The names of the labels, in alphabetical order.
        given: ``(n,)`` the label that was given; -1: none.
        labels: ``(n,)`` the label of each sample, the given one where there is one; -1: none reaches it.
        confidences: ``(n,)`` from 0 to 1; 1 where the label was given.
        agreement: Number of given labels that the nearest other given ones have, too.
    """

    names: list[str]
    given: Indices
    labels: Indices
    confidences: Floats
    agreement: int

    @property
    def num_given(self) -> int:
        """Number of given labels."""
        return int((self.given >= 0).sum())


def propagate(features: NDArray[np.float32], given: list[str]) -> Propagated:
    """Propagate labels to all samples.

    Args:
        features: ``(n, D)`` unit vectors.
        given: The label of each sample; empty: none.

    Raises:
        ValueError: No sample has a label.
    """
    names = sorted(set(given) - {""})
    if not names:
        raise ValueError("labels: no sample of the page has a label")
    number = {name: index for index, name in enumerate(names)} | {"": -1}
    known = np.array([number[name] for name in given], dtype=np.int64)
    shares = _spread(features, known, len(names))
    labels = np.where(shares.max(1) > 0, shares.argmax(1), -1)
    labels = np.where(known >= 0, known, labels)
    confidences = np.where(known >= 0, 1.0, shares.max(1))
    return Propagated(names, known, labels, confidences, _agreement(features, known))


def _spread(features: NDArray[np.float32], known: Indices, num_labels: int) -> Floats:
    """Return the share of each label ``(n, L)``; rows of zeros where none arrives."""
    neighbours = min(NEIGHBOURS, len(features) - 1)
    if num_labels == 1 or neighbours < 1:
        return np.ones((len(features), num_labels)) / num_labels
    from sklearn.exceptions import ConvergenceWarning  # slow to import, and not of interest to a training
    from sklearn.semi_supervised import LabelSpreading

    model = LabelSpreading(kernel="knn", n_neighbors=neighbours, alpha=_CLAMPING, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the order of labels is found long before
        warnings.simplefilter("ignore", RuntimeWarning)  # rows that no label reaches
        model.fit(features, known)
    return np.nan_to_num(np.asarray(model.label_distributions_, np.float64))


def _agreement(features: NDArray[np.float32], known: Indices) -> int:
    rows = np.flatnonzero(known >= 0)
    if len(rows) < 2:
        return 0
    cosines = features[rows] @ features[rows].T
    np.fill_diagonal(cosines, -np.inf)
    count = min(_AGREEING, len(rows) - 1)
    nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    votes = np.zeros((len(rows), known.max() + 1))
    for place in range(count):
        np.add.at(votes, (np.arange(len(rows)), known[rows[nearest[:, place]]]), 1)
    own = votes[np.arange(len(rows)), known[rows]]
    return int((own >= votes.max(1)).sum())


def label_next(propagated: Propagated, leaf_of: Indices, confidences: Floats) -> list[tuple[int, str]]:
    """Return the sample of each leaf whose label would be the most informative, with the reason.

    Leaves without a given label come first, the largest ones before the others; of these it is the most
    confident sample. Of a leaf with a label it is the sample whose propagated label is the least certain,
    unless all are certain.
    """
    counts = np.bincount(leaf_of)
    found: list[tuple[bool, float, int, str]] = []
    for leaf in np.flatnonzero(counts).tolist():
        rows = np.flatnonzero(leaf_of == leaf)
        free = rows[propagated.given[rows] < 0]
        if len(free) == len(rows):
            row = int(rows[confidences[rows].argmax()])
            found.append((False, -float(len(rows)), row, f"none of {len(rows)} similar samples has a label"))
        elif len(free):
            row = int(free[propagated.confidences[free].argmin()])
            certainty = float(propagated.confidences[row])
            if certainty < _SURE:
                found.append(
                    (True, certainty, row, f"its propagated label has a confidence of {certainty:.2f}")
                )
    return [(row, reason) for _, _, row, reason in sorted(found)]
