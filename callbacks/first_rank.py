"""Work that one process does while the others wait, without any of them giving up."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unlabelled.distributed import broadcast_, rank, world_size

Tick = Callable[[], None]
_GOING_ON, _DONE, _FAILED = 0, 1, 2


def result_of_first_rank(work: Callable[[Tick], Tensor], shape: tuple[int, ...], what: str) -> Tensor:
    """Let rank 0 do ``work`` and return its result to all ranks.

    Args:
        work: Called on rank 0 alone, with a function that it is to call now and then: a sign of life for the
            ranks that wait, so that no collective times out.
        shape: Of the result, float64, known to all ranks.
        what: Whose work it is, for messages.

    Raises:
        RuntimeError: On the other ranks, if ``work`` raises on rank 0.
    """
    if world_size() == 1:
        return work(lambda: None)
    return _tell(work, shape) if rank() == 0 else _listen(shape, what)


def _tell(work: Callable[[Tick], Tensor], shape: tuple[int, ...]) -> Tensor:
    try:
        result = work(lambda: _send(_GOING_ON, torch.zeros(shape)))
    except Exception:
        _send(_FAILED, torch.zeros(shape))  # or the others would wait for this one
        raise
    _send(_DONE, result)
    return result


def _send(state: int, result: Tensor) -> None:
    broadcast_(torch.cat([torch.tensor([state], dtype=torch.float64), result.double().flatten()]))


def _listen(shape: tuple[int, ...], what: str) -> Tensor:
    message = torch.zeros(1 + torch.Size(shape).numel(), dtype=torch.float64)
    while (state := int(broadcast_(message)[0])) == _GOING_ON:
        pass
    if state == _FAILED:
        raise RuntimeError(f"{what} failed on rank 0, which says why")
    return message[1:].view(shape)
