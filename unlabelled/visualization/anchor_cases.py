"""Choice of samples that are shown with their anchors: similar and different pairs, and confusing samples.

Source: SSPC main paper Figure 2, supplement section 4.1 and Figures 1 to 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unlabelled.visualization.anchor_codes import Codes, Labels

Relation = Literal["any", "same", "different"]
_BLOCK = 1024  # rows that are compared with all others at a time


class Case(NamedTuple):
    """Samples that are shown beside each other.

    Attributes:
        name: Short name, for file names.
        title: Title of the figure.
        rows: Rows of the samples; empty if no samples qualify.
    """

    name: str
    title: str
    rows: tuple[int, ...]


_PAIRS: tuple[tuple[str, str, Relation, bool], ...] = (
    ("similar_across", "most similar {} codes across categories", "different", True),
    ("different_within", "most different {} codes within a category", "same", False),
    ("different_across", "most different {} codes across categories", "different", False),
)
_UNLABELLED_PAIRS: tuple[tuple[str, str, Relation, bool], ...] = (
    ("similar", "most similar {} codes", "any", True),
    ("different", "most different {} codes", "any", False),
)


def anchor_cases(codes: Mapping[str, Codes], labels: Labels, by: str = "video") -> list[Case]:
    """Choose the samples to show: three pairs and a confusing sample, or without labels two pairs.

    Args:
        codes: ``{modality: (n, K)}``; a row without an anchor belongs to a sample without this modality.
        labels: ``(n,)``, -1: no label.
        by: Modality whose codes define similarity; the first one, if there are no codes of it.
    """
    by = by if by in codes else next(iter(codes))
    rows = np.flatnonzero(codes[by].any(1))
    known = bool((labels[rows] >= 0).any())
    cases = []
    for name, title, relation, similar in _PAIRS if known else _UNLABELLED_PAIRS:
        pair = extreme_pair(codes[by][rows], labels[rows], relation, similar)
        cases.append(Case(name, title.format(by), tuple(int(rows[i]) for i in pair)))
    if known and by != "text" and "text" in codes:
        title = f"{by} codes of another category, text codes of its own"
        cases.append(Case("confusing", title, confusing_sample(codes[by], codes["text"], labels)))
    return cases


def extreme_pair(codes: Codes, labels: Labels, relation: Relation, similar: bool) -> tuple[int, ...]:
    """Return the pair of rows whose codes differ in the fewest or most anchors, the first of equal pairs.

    Args:
        codes: ``(n, K)``.
        labels: ``(n,)``; a row without a label only belongs to pairs of relation ``any``.
        relation: Pairs to consider: all, those of one category, or those of different categories.
        similar: True: the fewest anchors; False: the most.

    Returns:
        Rows (i, j), i < j; empty if there is no such pair.
    """
    real = codes.astype(np.float32)
    sizes = real.sum(1)
    best: float = np.inf
    found: tuple[int, ...] = ()
    for start in range(0, len(codes), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(codes)))
        differing = sizes[block, None] + sizes - 2 * real[block] @ real.T
        cost = np.where(_related(labels, block, relation), differing if similar else -differing, np.inf)
        i, j = divmod(int(cost.argmin()), len(codes))
        if cost[i, j] < best:
            best, found = float(cost[i, j]), (start + i, j)
    return found


def _related(labels: Labels, block: NDArray[np.int64], relation: Relation) -> NDArray[np.bool_]:
    """Return a mask ``(b, n)`` of the pairs of a row of the block and a later row that have the relation."""
    later: NDArray[np.bool_] = np.arange(len(labels)) > block[:, None]
    if relation == "any":
        return later
    known = (labels[block, None] >= 0) & (labels >= 0)
    same: NDArray[np.bool_] = labels[block, None] == labels
    return later & known & (same if relation == "same" else ~same)


def confusing_sample(media: Codes, text: Codes, labels: Labels) -> tuple[int, ...]:
    """Find the sample whose video or audio is similar to another category and whose text to its own.

    The similarity of a sample to a category is the mean number of anchors that it shares with the category's
    other samples. There are two margins: that of the other category over the sample's own in the similarity
    of video or audio, and that of its own category over the other in the similarity of text. The sample with
    the largest smaller margin is returned.

    Args:
        media: ``(n, K)``, codes of video or audio.
        text: ``(n, K_t)``, codes of text.
        labels: ``(n,)``.

    Returns:
        Rows of the sample, of one of its own category with similar text, and of one of the other category
        with similar video or audio; empty if no sample has two positive margins.
    """
    rows = np.flatnonzero((labels >= 0) & media.any(1) & text.any(1))
    if len(rows) == 0:
        return ()
    media_codes, text_codes = media[rows].astype(np.float32), text[rows].astype(np.float32)
    classes = labels[rows]
    media_shared, text_shared = _mean_shared(media_codes, classes), _mean_shared(text_codes, classes)
    own = np.arange(len(rows)), classes
    margin = np.minimum(media_shared - media_shared[own][:, None], text_shared[own][:, None] - text_shared)
    margin[own] = -np.inf
    margin = np.where(np.isnan(margin), -np.inf, margin)
    sample, other = divmod(int(margin.argmax()), margin.shape[1])
    if margin[sample, other] <= 0:
        return ()
    # larger for samples that share more anchors of video or audio than of text
    lean = media_codes @ media_codes[sample] - text_codes @ text_codes[sample]
    relative = np.where(
        (classes == classes[sample]) & (np.arange(len(rows)) != sample), lean, np.inf
    ).argmin()
    lookalike = np.where(classes == other, lean, -np.inf).argmax()
    return int(rows[sample]), int(rows[relative]), int(rows[lookalike])


def _mean_shared(codes: NDArray[np.float32], classes: Labels) -> NDArray[np.float32]:
    """Return mean numbers ``(n, C)`` of anchors shared with a category's other samples; NaN without any."""
    members = (classes[:, None] == np.arange(classes.max() + 1)).astype(np.float32)  # (n, C)
    shared = codes @ (codes.T @ members)
    shared -= members * codes.sum(1, keepdims=True)
    others = members.sum(0) - members
    return np.where(others > 0, shared / np.maximum(others, 1), np.nan).astype(np.float32)
