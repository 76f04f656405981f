"""Contrast under compositions of transformations: which copies of a clip are positives, which negatives.

A clip comes in copies that differ in their start (shift) and in the direction of time (reversal). To either,
video and audio embeddings are invariant or variant; or the transformation is not used::

    hypothesis   1          2        3          4        5          6        7          8          9
    reversal     -          variant  invariant  -        -          variant  invariant  variant    invariant
    shift        -          -        -          variant  invariant  variant  variant    invariant  invariant

A hypothesis is a list of :class:`Term`; its loss is their mean, which gives the weights of the released code
(facebookresearch/GDT, gdt_helper.py). There are two differences. The code extends its lists of negatives in
place, so that some count twice and others belong to another transformation; here each term has its own. And
negatives are of all clips of the global batch; in the code, terms whose own counterpart is no negative leave
out those of the rank's other clips too, and one rank alone fails.

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
"""Which shift and, 0 forwards or 1 backwards, which direction."""


class Term(NamedTuple):
    """Match copy ``query`` of a clip in one modality with copy ``key`` of the same clip in the other one.

    Attributes:
        name: ``cross_modal``, or the transformation that the term is about.
        query: The copy of the query.
        key: The copy of the positive; that of other clips is a negative.
        counterpart: One more copy of all other clips that is a negative; None: there is none.
        own_counterpart: Whether the own clip's counterpart is a negative too, the hardest one.
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
    """
    terms = _about("shift", shift, _pairs(0, reversal)) + _about("reversal", reversal, _pairs(1, shift))
    return terms or [Term("cross_modal", (0, 0), (0, 0), None, False)]


def _pairs(axis: int, other: Stance | None) -> list[tuple[Copy, Copy]]:
    """Return copies that differ in one transformation, for each setting of the other one."""
    settings = range(1 if other is None else 2)
    return [((0, k), (1, k)) if axis == 0 else ((k, 0), (k, 1)) for k in settings]


def _about(name: str, stance: Stance | None, pairs: list[tuple[Copy, Copy]]) -> list[Term]:
    ways = [way for pair in pairs for way in (pair, pair[::-1])]
    if stance is None:
        return []
    if stance == "variant":
        return [Term(name, one, one, other, True) for one, other in ways]
    if stance == "invariant":
        base = [Term("cross_modal", one, one, other, False) for one, other in ways[:2]]
        return base + [Term(name, one, other, one, False) for one, other in ways]
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
        ValueError: ``temperature`` is not positive, the shapes differ, or a term needs a copy that is not
            there.
    """
    _check(video, audio, terms, temperature)
    dtype = torch.promote_types(video.dtype, torch.float32)
    with torch.autocast(video.device.type, enabled=False):
        video, audio = (F.normalize(codes.to(dtype), dim=3) for codes in (video, audio))
        seen, heard = gather_equal_rows(video), gather_equal_rows(audio)
        ways = [similarities(video, heard) / temperature, similarities(audio, seen) / temperature]
        logits = [[term_logits(term, way, rank() * len(video)) for way in ways] for term in terms]
    return _summary([term.name for term in terms], logits)


def similarities(queries: Tensor, keys: Tensor) -> Tensor:
    """Return ``(S, R, B, S, R, N)``: of each copy of ``(B, S, R, D)`` with each of ``(N, S, R, D)``."""
    return torch.einsum("bsrd,nuvd->srbuvn", queries, keys)


def term_logits(term: Term, similar: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Return the logits ``(B, N or 2 N)`` of the queries of a term, and the positives' columns ``(B,)``.

    Args:
        term: The term.
        similar: ``(S, R, B, S, R, N)`` logits of all copies.
        first: The place of query 0 among the N clips.
    """
    asked = similar[term.query]  # (B, S, R, N)
    own = first + torch.arange(len(asked), device=asked.device)
    choices = asked[:, *term.key]
    if term.counterpart is not None:
        others = asked[:, *term.counterpart]
        if not term.own_counterpart:
            others = others.scatter(1, own[:, None], -torch.inf)
        choices = torch.cat([choices, others], 1)
    return choices, own


def _summary(names: list[str], logits: list[list[tuple[Tensor, Tensor]]]) -> TransformationContrast:
    losses = torch.stack([torch.stack([F.cross_entropy(*way) for way in ways]).mean() for ways in logits])
    right = torch.stack(
        [torch.stack([(way.argmax(1) == own).float().mean() for way, own in ways]).mean() for ways in logits]
    )
    parts = losses.detach()
    report: dict[str, Tensor] = {}
    for name in dict.fromkeys(names):
        chosen = [place for place, each in enumerate(names) if each == name]
        report |= {f"loss_{name}": parts[chosen].mean(), f"accuracy_{name}": right[chosen].mean()}
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
