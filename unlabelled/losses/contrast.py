"""Contrast of each sample with its other view and with a queue: InfoNCE, ReSSL and SCE.

A query predicts a distribution ``p`` over its positive key (slot 0) and the rows of the queue. The target
distribution ``w`` follows from the key, an embedding by the target network. The methods differ only
in ``w``::

    MoCo v2   w = [1, 0]                          one positive, all others are negatives
    ReSSL     w = [-, s]                          relations of the key to the queue; no positive
    SCE       w = [lambda, (1 - lambda) s]        both

With ``s`` the soft-max of the key's similarities to the queue, the cross-entropy of SCE is a sum of three
terms (SCE, Proposition 1), and every method is a choice of their coefficients::

    loss = contrastive * InfoNCE + relational * ReSSL + ceiling * Ceil
    MoCo v2 (1, 0, 0)    ReSSL (0, 1, 0)    SCE (lambda, 1 - lambda, 1 - lambda)

Source: Denize et al. 2023 (arXiv:2212.11187), Eq. 3 to 11; docs/methods/sce.md#equations.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

PositiveSlot = Literal["masked", "zero_logit"]

# Entries of a block's (rows, M) array: 16 MiB in float32. All blocks share two such arrays, with relations
# four. Matrix products with fewer rows are slow.
_BUDGET = 2**22


class Contrast(NamedTuple):
    """A loss and its terms: means over the batch; only ``loss`` has a gradient.

    Attributes:
        loss: The weighted sum.
        info_nce: InfoNCE (Eq. 3), in nats.
        relational: ReSSL's cross-entropy of relations (Eq. 6), in nats; ``None`` where its weight is 0.
        ceiling: Ceil (Proposition 1), which grows with the probability of the positive, in nats.
        relation_entropy: H(s), the least value of ``relational``; ``None`` where its weight is 0.
    """

    loss: Tensor
    info_nce: Tensor
    relational: Tensor | None
    ceiling: Tensor
    relation_entropy: Tensor | None


def info_nce(
    query: Tensor, key: Tensor, queue: Tensor, temperature: float = 0.2, own_rows: Tensor | None = None
) -> Contrast:
    """Return MoCo's loss, InfoNCE: classify the positive key against the queue.

    Shapes as in :func:`weighted_contrast`. Source: SCE Eq. 3; He et al. 2020 (arXiv:1911.05722).

    Example:
        >>> unit = torch.eye(3)
        >>> loss = info_nce(unit[:1], unit[:1], unit[1:], temperature=0.5).loss  # ln(1 + 2 exp(-2))
        >>> round(float(loss), 4)
        0.2395
    """
    return weighted_contrast(query, key, queue, temperature, temperature, 1.0, 0.0, 0.0, own_rows=own_rows)


def relational(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    temperature: float = 0.1,
    target_temperature: float = 0.04,
    own_rows: Tensor | None = None,
) -> Contrast:
    """Return ReSSL's loss: cross-entropy of the relations to the queue, without the positive key.

    Shapes as in :func:`weighted_contrast`. Source: SCE Eq. 4 to 6; Zheng et al. 2021 (arXiv:2107.09282).
    """
    return weighted_contrast(
        query, key, queue, temperature, target_temperature, 0.0, 1.0, 0.0, own_rows=own_rows
    )


def soft_contrastive(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    temperature: float = 0.1,
    target_temperature: float = 0.07,
    coefficient: float = 0.5,
    positive_slot: PositiveSlot = "masked",
) -> Contrast:
    """Return SCE: a cross-entropy whose target has ``lambda`` on the positive, the rest on the relations.

    Shapes as in :func:`weighted_contrast`. ``coefficient`` is lambda; 1 is InfoNCE, 0 is ReSSL + Ceil.

    Source: SCE Eq. 8 to 10.
    """
    rest = 1 - coefficient
    return weighted_contrast(
        query, key, queue, temperature, target_temperature, coefficient, rest, rest, positive_slot
    )


def weighted_contrast(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    temperature: float,
    target_temperature: float,
    contrastive: float,
    relational: float,
    ceiling: float,
    positive_slot: PositiveSlot = "masked",
    own_rows: Tensor | None = None,
) -> Contrast:
    """Return the sum of InfoNCE, ReSSL and Ceil with free coefficients (lambda, mu, eta).

    Arithmetic is float32, or float64 for float64 queries, also under autocast: half-precision similarities
    shift the loss by 1e-2. Rows are processed block by block; only the gradient of the queries is kept, so
    that memory for arrays of ``(N, M)`` does not grow with N.

    Args:
        query: ``(N, D)``, normalised; the only input with a gradient.
        key: ``(N, D)``, normalised, from the target network.
        queue: ``(M, D)``, normalised rows to compare with.
        temperature: tau, of the queries' similarities.
        target_temperature: tau_m, of the keys' similarities to the queue.
        contrastive: lambda, weight of InfoNCE.
        relational: mu, weight of ReSSL.
        ceiling: eta, weight of Ceil.
        positive_slot: Relation of the key to itself: 0 (``masked``, Eq. 5), or the mass of a logit of 0
            (``zero_logit``, Algorithm 1 line 15 and juliendenize/eztorch, eztorch/losses/sce_loss.py).
        own_rows: ``(N,)``, for keys of the batch that are part of ``queue``: the row of ``queue`` that is the
            sample's own key, which is left out. ``None``: there are no such rows.

    Raises:
        ValueError: A temperature is not positive, or the shapes do not fit.

    Source: SCE Eq. 11, Proposition 1 and Table 3; docs/methods/sce.md#equations.
    """
    _check(query, key, queue, temperature, target_temperature)
    dtype = torch.float64 if query.dtype == torch.float64 else torch.float32
    query, key, queue = query.to(dtype), key.detach().to(dtype), queue.detach().to(dtype)
    settings = _Settings(
        temperature, target_temperature, contrastive, relational, ceiling, positive_slot == "zero_logit"
    )
    with torch.autocast(query.device.type, enabled=False):
        rows = _blockwise(query, key, queue, own_rows, settings)
    loss, nce, relation, ceil, entropy = (row.mean() for row in rows)
    if relational == 0:
        return Contrast(loss, nce, None, ceil, None)
    return Contrast(loss, nce, relation, ceil, entropy)


class _Settings(NamedTuple):
    temperature: float
    target_temperature: float
    contrastive: float
    relational: float
    ceiling: float
    zero_logit: bool


class _Relations(NamedTuple):
    """Relations of the keys to the queue, for a block of rows."""

    probabilities: Tensor  # s: (rows, M)
    entropy: Tensor  # (rows,)
    leak: Tensor  # (rows,): the share that a zero logit would take; 0 where it is masked


class _Blockwise(torch.autograd.Function):
    """The three terms per row, and the gradient of their weighted sum by the queries, in one pass."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, queue: Tensor, own_rows: Tensor | None, settings: _Settings
    ) -> tuple[Tensor, ...]:
        step = max(1, _BUDGET // max(1, len(queue)))
        gradient = torch.empty_like(query) if ctx.needs_input_grad[0] else None
        work = query.new_empty(4 if settings.relational else 2, min(step, len(query)), len(queue))
        parts = []
        for start in range(0, len(query), step):
            part = slice(start, start + step)
            own = own_rows[part, None] if own_rows is not None else None
            into = gradient[part] if gradient is not None else None
            room = work[:, : len(query[part])]
            parts.append(_block(query[part], key[part], queue, own, settings, into, room))
        rows = tuple(torch.cat(columns) for columns in zip(*parts, strict=True))
        ctx.mark_non_differentiable(*rows[1:])
        ctx.save_for_backward(gradient)
        return rows

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return grads[0].unsqueeze(1) * gradient, None, None, None, None


def _blockwise(*inputs: Any) -> tuple[Tensor, ...]:
    rows: tuple[Tensor, ...] = _Blockwise.apply(*inputs)  # type: ignore[no-untyped-call]
    return rows


def _block(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    own: Tensor | None,
    settings: _Settings,
    gradient: Tensor | None,
    work: Tensor,
) -> tuple[Tensor, ...]:
    """Return loss, InfoNCE, ReSSL, Ceil and H(s) of each row; write the queries' gradient.

    ``work (2 or 4, rows, M)`` is room for logits and soft-max, of the queries and of the keys.

    With Delta = a - logsumexp(b), for a positive logit ``a`` and negative logits ``b``:
    InfoNCE = softplus(-Delta), Ceil = softplus(Delta), ReSSL = logsumexp(b) - s.b.
    """
    tau = settings.temperature
    positive = (query * key).sum(1) / tau  # a: (rows,)
    logits = torch.mm(query / tau, queue.T, out=work[0])  # b: (rows, M)
    relations = _relations(key, queue, own, settings, work[2:])
    agreement = torch.zeros_like(positive)
    if relations:
        agreement = torch.mul(relations.probabilities, logits, out=work[1]).sum(1)  # s.b
    softmax, normaliser = _softmax(_without(logits, own, -torch.inf), work[1])
    delta = positive - normaliser
    info_nce, ceiling = F.softplus(-delta), F.softplus(delta)
    relation = normaliser - agreement

    leak = relations.leak if relations else torch.zeros_like(positive)
    weight = settings.contrastive + settings.relational * leak
    mu, eta = (settings.relational * (1 - leak), settings.ceiling * (1 - leak))
    loss = weight * info_nce + mu * relation + eta * ceiling
    if gradient is not None:
        pull = weight * torch.sigmoid(-delta) - eta * torch.sigmoid(delta)  # -d loss / d a: (rows,)
        slopes = softmax.mul_((pull + mu).unsqueeze(1))  # d loss / d b: (rows, M)
        if relations:
            slopes.sub_(relations.probabilities.mul_(mu.unsqueeze(1)))
        torch.mm(slopes, queue, out=gradient)
        gradient.sub_(pull.unsqueeze(1) * key).div_(tau)
    entropy = relations.entropy if relations else torch.zeros_like(positive)
    return loss, info_nce, relation, ceiling, entropy


def _relations(
    key: Tensor, queue: Tensor, own: Tensor | None, settings: _Settings, work: Tensor
) -> _Relations | None:
    """Return the key's distribution over the queue, or ``None`` when its weight is 0."""
    if settings.relational == 0:
        return None
    logits = torch.mm(key / settings.target_temperature, queue.T, out=work[0])  # c: (rows, M)
    probabilities, normaliser = _softmax(_without(logits, own, -torch.inf), work[1])
    entropy = normaliser - _without(logits, own, 0.0).mul_(probabilities).sum(1)
    leak = torch.sigmoid(-normaliser) if settings.zero_logit else torch.zeros_like(normaliser)
    return _Relations(probabilities, entropy, leak)


def _without(logits: Tensor, own: Tensor | None, value: float) -> Tensor:
    """Overwrite each row's own entry, in place, if it has one."""
    return logits if own is None else logits.scatter_(1, own, value)


def _softmax(logits: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
    """Return the soft-max of ``logits (rows, M)``, in ``out``, and its log-normaliser ``(rows,)``."""
    softmax = torch.softmax(logits, 1, out=out)
    # The largest entry is exp(max) / sum(exp): the normaliser needs two maxima, but no second exp.
    return softmax, logits.amax(1) - softmax.amax(1).log()


def _check(query: Tensor, key: Tensor, queue: Tensor, temperature: float, target_temperature: float) -> None:
    if min(temperature, target_temperature) <= 0:
        raise ValueError(
            f"temperature={temperature} and target_temperature={target_temperature} must be positive"
        )
    if query.shape != key.shape or query.dim() != 2 or queue.dim() != 2 or queue.shape[1] != query.shape[1]:
        raise ValueError(
            "expected query and key (N, D) and queue (M, D), got "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(queue.shape)}"
        )
