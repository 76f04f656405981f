"""Flags of training steps whose loss or gradient is not finite, kept on the device until they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from unlabelled.distributed import all_reduce_max_


class Accumulated(NamedTuple):
    """A batch of a step; a step has several under gradient accumulation.

    Attributes:
        number: Number of optimisation steps before it, as in the logs.
        epoch: The epoch, from 0.
        batch_idx: The number of the batch in its epoch, from 0.
        rows: Rows of the training set ``(B,)``.
        bad: Whether the loss of the batch, and with its last batch the gradient of the step, is not finite:
            ``(2,)`` uint8 on the device.
    """

    number: int
    epoch: int
    batch_idx: int
    rows: Tensor
    bad: Tensor


class BadStep(NamedTuple):
    """A step whose loss or gradient is not finite.

    Attributes:
        number: Number of optimisation steps before it.
        what: ``loss`` or ``gradient``.
        epoch: The epoch, from 0.
        batches: The batches with such a loss; all of the step, where the gradient alone is not finite.
        rows: Rows of the training set in these batches ``(B,)``; None: those of another process.
    """

    number: int
    what: str
    epoch: int
    batches: Sequence[int]
    rows: Tensor | None


class StepFlags:
    """The steps of a run since they were last read.

    A step is not finite if the loss of one of its batches or its gradient is not, on any rank.

    Args:
        agree: Let the ranks agree on each step when its gradient is known, by a collective of two numbers.
    """

    def __init__(self, agree: bool) -> None:
        self.agree = agree
        self.step: Tensor | None = None
        """Whether the current step is not finite, boolean ``()``; None: its gradient is not known yet."""
        self._number = -1
        self._losses: list[Tensor] = []  # of the current step
        self._batches: list[Accumulated] = []

    def begin(self, number: int) -> bool:
        """Begin a batch; return whether it is the first one of a step.

        Args:
            number: Number of optimisation steps before it.
        """
        first = number != self._number
        self._number, self.step = number, None
        if first:
            self._losses = []
        return first

    def add_loss(self, loss: Tensor) -> None:
        """Check the loss of a batch."""
        self._losses.append(~loss.detach().isfinite().all())

    def add_gradient(self, gradients: Sequence[Tensor]) -> Tensor | None:
        """Check the gradient of a step; return whether the step is not finite, boolean ``()``.

        Args:
            gradients: Those that are to be checked; none where another part of the run checks them.
        """
        bad = list(self._losses)
        if gradients:
            bad.append(~torch.stack(torch._foreach_norm(list(gradients))).isfinite().all())
        if bad:
            any_bad = torch.stack(bad).any()
            self.step = all_reduce_max_(any_bad.to(torch.uint8)).bool() if self.agree else any_bad
        return self.step

    def end(self, epoch: int, batch_idx: int, rows: Tensor) -> None:
        """Keep the flags of a batch.

        Args:
            epoch: The epoch, from 0.
            batch_idx: The number of the batch in its epoch, from 0.
            rows: Rows of the training set ``(B,)``.
        """
        if self._losses:
            step = torch.zeros_like(self._losses[-1]) if self.step is None else self.step
            bad = torch.stack([self._losses[-1], step]).to(torch.uint8)
            self._batches.append(Accumulated(self._number, epoch, batch_idx, rows, bad))

    def read(self, made: int) -> Iterable[tuple[int, BadStep | None]]:
        """Return the steps since the last call by their numbers; this waits for the device.

        Args:
            made: Number of optimisation steps that were made; the batches of the next one stay.
        """
        batches = [each for each in self._batches if each.number < made]
        self._batches = self._batches[len(batches) :]
        if not batches:
            return []
        own = torch.stack([each.bad for each in batches])  # (batches, 2)
        flags = torch.cat([own, all_reduce_max_(own.clone())], 1).bool().tolist()
        steps = groupby(zip(batches, flags, strict=True), lambda each: each[0].number)
        return [(number, _bad_step(list(group))) for number, group in steps]


def _bad_step(step: list[tuple[Accumulated, list[bool]]]) -> BadStep | None:
    """Return what is not finite in the batches of a step, with the flags of this rank and of all."""
    first = step[0][0]
    if not any(any(flags) for _, flags in step):
        return None
    losses = [(batch, own) for batch, (own, _, every, _) in step if every]
    own = [batch for batch, is_own in losses if is_own] if losses else [batch for batch, _ in step]
    named = own or [batch for batch, _ in losses]
    rows = torch.cat([batch.rows.flatten() for batch in own]) if own else None
    what = "loss" if losses else "gradient"
    return BadStep(first.number, what, first.epoch, [batch.batch_idx for batch in named], rows)
