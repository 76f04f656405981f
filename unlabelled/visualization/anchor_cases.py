"""Which samples to show with their anchors: similar and different pairs, and confusing samples.

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
    """Samples to be shown beside each other.

    Attributes:
        name: Short, for file names.
        title: What is to be seen.
        rows: Of the samples; empty where there are no such samples.
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
    """Choose the samples to show: three pairs and a confusing sample; without labels two pairs.

    Args:
        codes: ``{modality: (n, K)}``; a row without any anchor: the sample has nothing of this modality.
        labels: ``(n,)``, -1 where there is none.
        by: Modality by which pairs are similar or different; where there is none, the first one.
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
    """Return the two rows whose codes differ in the fewest anchors, or in the most; of equals the first.

    Args:
        codes: ``(n, K)``.
        labels: ``(n,)``; a row without a label is neither in the same category as another nor not.
        relation: Which pairs count.
        similar: Whether to look for the fewest.

    Returns:
        Rows (i, j), i < j; empty where no pair counts.
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
    """Return ``(b, n)``: whether a row of the block and a later row make a pair of this kind."""
    later: NDArray[np.bool_] = np.arange(len(labels)) > block[:, None]
    if relation == "any":
        return later
    known = (labels[block, None] >= 0) & (labels >= 0)
    same: NDArray[np.bool_] = labels[block, None] == labels
    return later & known & (same if relation == "same" else ~same)


def confusing_sample(sight: Codes, text: Codes, labels: Labels) -> tuple[int, ...]:
    """Find the sample that looks most like another category while its text is most like its own.

    How much a sample is like a category is the mean number of anchors that it shares with the category's
    other samples. Sought is the largest of the smaller of two margins: how much more its sight is like the
    other category than like its own, and how much more its text is like its own than like the other.

    Args:
        sight: ``(n, K)``, codes of what is seen (or heard).
        text: ``(n, K_t)``, codes of what is said.
        labels: ``(n,)``.

    Returns:
        Rows of the sample, of one of its own category with a similar text, and of one of the other category
        that looks similar; empty where both margins are positive for no sample.
    """
    rows = np.flatnonzero((labels >= 0) & sight.any(1) & text.any(1))
    if len(rows) == 0:
        return ()
    seen, said, classes = sight[rows].astype(np.float32), text[rows].astype(np.float32), labels[rows]
    alike_seen, alike_said = _alike(seen, classes), _alike(said, classes)
    own = np.arange(len(rows)), classes
    margin = np.minimum(alike_seen - alike_seen[own][:, None], alike_said[own][:, None] - alike_said)
    margin[own] = -np.inf
    margin = np.where(np.isnan(margin), -np.inf, margin)
    sample, other = divmod(int(margin.argmax()), margin.shape[1])
    if margin[sample, other] <= 0:
        return ()
    lean = seen @ seen[sample] - said @ said[sample]  # rather similar in sight than in text
    relative = np.where(
        (classes == classes[sample]) & (np.arange(len(rows)) != sample), lean, np.inf
    ).argmin()
    lookalike = np.where(classes == other, lean, -np.inf).argmax()
    return int(rows[sample]), int(rows[relative]), int(rows[lookalike])


def _alike(codes: NDArray[np.float32], classes: Labels) -> NDArray[np.float32]:
    """Return ``(n, C)``: anchors shared with a category's other samples, on average; NaN without any."""
    members = (classes[:, None] == np.arange(classes.max() + 1)).astype(np.float32)  # (n, C)
    shared = codes @ (codes.T @ members)
    shared -= members * codes.sum(1, keepdims=True)
    others = members.sum(0) - members
    return np.where(others > 0, shared / np.maximum(others, 1), np.nan).astype(np.float32)
