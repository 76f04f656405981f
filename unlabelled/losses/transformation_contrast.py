"""Contrast under compositions of transformations: which copies of a clip are positives, which negatives.

There are copies of a clip that differ in their start (shift) and in the direction of time (reversal). Video
and audio embeddings are variant or invariant to each transformation, or it is not used::

    hypothesis   1          2        3          4        5          6        7          8          9
    reversal     -          variant  invariant  -        -          variant  invariant  variant    invariant
    shift        -          -        -          variant  invariant  variant  variant    invariant  invariant

A hypothesis is a list of :class:`Term`; its loss is their mean, which gives the weights of the released code
(facebookresearch/GDT, gdt_helper.py). There are two differences. The released code extends its lists of
negatives in place, so that some negatives count twice and some belong to another transformation; here each
term has its own negatives. Here the counterparts of all other clips of the global batch are negatives; in the
released code, a term without ``own_counterpart`` also omits those of the other clips of the same rank, so
that a single rank fails.

Source: Patrick et al. 2021 (arXiv:2003.04298); docs/methods/selavi.md#gdt.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.distributed import gather_equal_rows, rank

Stance = Literal["variant", "invariant"]
Copy = tuple[int, int]
"""(index of the shift, direction: 0 forwards, 1 backwards)."""


class Term(NamedTuple):
    """Match copy ``query`` of a clip in one modality with copy ``key`` of the same clip in the other one.

    Attributes:
        name: ``cross_modal``, or the transformation to which the term is variant or invariant.
        query: The copy of the clip that is the query.
        key: The copy of the same clip that is the positive; this copy of the other clips is a negative.
        counterpart: Another copy of the other clips that is a negative; None: there is none.
        own_counterpart: Whether the counterpart of the same clip is a negative too, the hardest one.
    """

    name: str
    query: Copy
    key: Copy
    counterpart: Copy | None
    own_counterpart: bool


class TransformationContrast(NamedTuple):
    """A loss, and values to log: ``loss_*`` and ``accuracy_*`` by the name of the terms."""

    loss: Tensor
    report: dict[str, Tensor]


def contrast_terms(shift: Stance | None, reversal: Stance | None) -> list[Term]:
    """Return the terms of a hypothesis.

    For each transformation and each setting of the other one there are two copies, each the counterpart of
    the other. Variant: the positive is the same copy, the own counterpart a negative. Invariant: the positive
    is the counterpart and, at the first setting of the other transformation, also the same copy.

    Example:
        >>> [(term.name, term.query, term.key) for term in contrast_terms("variant", None)]
        [('shift', (0, 0), (0, 0)), ('shift', (1, 0), (1, 0))]
    """
    terms = _terms_of("shift", shift, _pairs(0, reversal)) + _terms_of("reversal", reversal, _pairs(1, shift))
    return terms or [Term("cross_modal", (0, 0), (0, 0), None, False)]


def _pairs(axis: int, other: Stance | None) -> list[tuple[Copy, Copy]]:
    """Return copies that differ in one transformation, for each setting of the other one."""
    settings = range(1 if other is None else 2)
    return [((0, k), (1, k)) if axis == 0 else ((k, 0), (k, 1)) for k in settings]


def _terms_of(name: str, stance: Stance | None, pairs: list[tuple[Copy, Copy]]) -> list[Term]:
    ordered = [each for pair in pairs for each in (pair, pair[::-1])]
    if stance is None:
        return []
    if stance == "variant":
        return [Term(name, one, one, other, True) for one, other in ordered]
    if stance == "invariant":
        base = [Term("cross_modal", one, one, other, False) for one, other in ordered[:2]]
        return base + [Term(name, one, other, one, False) for one, other in ordered]
    raise ValueError(f"{name}={stance!r}; expected variant, invariant or None")


def transformation_contrast(
    video: Tensor, audio: Tensor, terms: list[Term], temperature: float = 0.07
) -> TransformationContrast:
    """Return the mean over terms and both directions of InfoNCE, in nats.

    Only queries have a gradient, as in gdt_helper.py; each modality is query in one direction. The mean
    over ranks is the loss of the whole batch. Computed in float32 at least, also under autocast.

    Args:
        video: ``(B, S, R, D)`` of S shifts and R directions; normalised here. B is equal on all ranks.
        audio: ``(B, S, R, D)``, the same clips.
        terms: See :func:`contrast_terms`.
        temperature: Divides the cosines.

    Raises:
        ValueError: ``temperature`` is not positive, the shapes differ, or a term needs a missing copy.
    """
    _check(video, audio, terms, temperature)
    dtype = torch.promote_types(video.dtype, torch.float32)
    with torch.autocast(video.device.type, enabled=False):
        video, audio = (F.normalize(codes.to(dtype), dim=3) for codes in (video, audio))
        all_video, all_audio = gather_equal_rows(video), gather_equal_rows(audio)
        both = [similarities(video, all_audio) / temperature, similarities(audio, all_video) / temperature]
        logits = [[term_logits(term, each, rank() * len(video)) for each in both] for term in terms]
    return _summary([term.name for term in terms], logits)


def similarities(queries: Tensor, keys: Tensor) -> Tensor:
    """Return inner products ``(S, R, B, S, R, N)`` of ``queries (B, S, R, D)`` and ``keys (N, S, R, D)``."""
    return torch.einsum("bsrd,nuvd->srbuvn", queries, keys)


def term_logits(term: Term, similar: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Return the logits ``(B, N or 2 N)`` of the queries of a term, and the positives' columns ``(B,)``.

    Args:
        term: The term.
        similar: ``(S, R, B, S, R, N)`` logits of all copies.
        first: The index of query 0 among the N clips.
    """
    of_query = similar[term.query]  # (B, S, R, N)
    own = first + torch.arange(len(of_query), device=of_query.device)
    choices = of_query[:, *term.key]
    if term.counterpart is not None:
        others = of_query[:, *term.counterpart]
        if not term.own_counterpart:
            others = others.scatter(1, own[:, None], -torch.inf)
        choices = torch.cat([choices, others], 1)
    return choices, own


def _summary(names: list[str], logits: list[list[tuple[Tensor, Tensor]]]) -> TransformationContrast:
    losses = torch.stack([torch.stack([F.cross_entropy(*each) for each in both]).mean() for both in logits])
    accuracies = torch.stack(
        [
            torch.stack([(each.argmax(1) == own).float().mean() for each, own in both]).mean()
            for both in logits
        ]
    )
    parts = losses.detach()
    report: dict[str, Tensor] = {}
    for name in dict.fromkeys(names):
        rows = [
            row for row, each in enumerate(names) if each == name
        ]  # as a list they were copied to the device
        report[f"loss_{name}"] = torch.stack([parts[row] for row in rows]).mean()
        report[f"accuracy_{name}"] = torch.stack([accuracies[row] for row in rows]).mean()
    return TransformationContrast(losses.mean(), report)


def _check(video: Tensor, audio: Tensor, terms: list[Term], temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}, expected a positive number (paper: 0.07)")
    if video.shape != audio.shape or video.ndim != 4:
        raise ValueError(
            "expected video and audio (B, shifts, directions, D), got "
            f"{tuple(video.shape)} and {tuple(audio.shape)}"
        )
    needed = tuple(1 + max(max(term.query[axis], term.key[axis]) for term in terms) for axis in (0, 1))
    if video.shape[1] < needed[0] or video.shape[2] < needed[1]:
        raise ValueError(
            f"the terms need {needed[0]} shift(s) and {needed[1]} direction(s), got {tuple(video.shape[1:3])}"
        )
