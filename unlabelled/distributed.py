"""Collectives that also work in a single process: every function is a no-op when nothing is initialised.

All of them change the tensor in place and return it, so that a line reads like its one-process version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

Result = TypeVar("Result")
SIGN_OF_LIFE = 60.0
"""Seconds between two messages of a rank that others wait for; a collective times out after minutes."""
_GOING_ON, _FINISHED = 0, 1


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Index of this process among all processes; 0 without a process group."""
    return dist.get_rank() if _active() else 0


def world_size() -> int:
    """Number of processes; 1 without a process group."""
    return dist.get_world_size() if _active() else 1


def _collective(tensor: Tensor, operation: Callable[[Tensor], object]) -> Tensor:
    # NCCL moves only CUDA memory, while large sharded tables may live on the host under the same group.
    if dist.get_backend() == "nccl" and not tensor.is_cuda:
        staged = tensor.to(torch.device("cuda", torch.cuda.current_device()))
        operation(staged)
        return tensor.copy_(staged)
    operation(tensor)
    return tensor


def all_reduce_sum_(tensor: Tensor) -> Tensor:
    """Replace ``tensor`` (any shape, equal on all ranks) by its sum over the ranks."""
    if world_size() == 1:
        return tensor
    return _collective(tensor, lambda t: dist.all_reduce(t, op=dist.ReduceOp.SUM))


def all_reduce_max_(tensor: Tensor) -> Tensor:
    """Replace ``tensor`` (any shape, equal on all ranks) by its elementwise maximum over the ranks."""
    if world_size() == 1:
        return tensor
    return _collective(tensor, lambda t: dist.all_reduce(t, op=dist.ReduceOp.MAX))


def broadcast_(tensor: Tensor, src: int = 0) -> Tensor:
    """Replace ``tensor`` (any shape, equal on all ranks) by rank ``src``'s."""
    if world_size() == 1:
        return tensor
    return _collective(tensor, lambda t: dist.broadcast(t, src=src))


def _floating_buffers(module: nn.Module, skip: Collection[str] = ()) -> Iterator[Tensor]:
    named = module.named_buffers()
    return (buffer for name, buffer in named if buffer.is_floating_point() and name not in skip)


@torch.no_grad()
def broadcast_buffers(module: nn.Module, skip: Collection[str] = ()) -> None:
    """Give every rank the floating-point buffers of rank 0 (for instance BatchNorm's running statistics).

    Those named in ``skip`` are equal already, and large.
    """
    for buffer in _floating_buffers(module, skip):
        broadcast_(buffer)


@torch.no_grad()
def average_buffers(module: nn.Module) -> None:
    """Replace every floating-point buffer by its mean over the ranks; counters (integers) are left alone."""
    for buffer in _floating_buffers(module):
        all_reduce_sum_(buffer).div_(world_size())


def from_first_rank(work: Callable[[], Result]) -> Result:
    """Let rank 0 do ``work`` and return its result, which can be pickled, on all ranks.

    However long it takes: rank 0 gives the others a sign of life every minute, so that no collective times
    out. With several ranks ``work`` runs in a thread of its own.

    Raises:
        RuntimeError: On the other ranks, if ``work`` raises on rank 0.
    """
    if world_size() == 1:
        return work()
    return _tell(work) if rank() == 0 else _listen()


def _tell(work: Callable[[], Result]) -> Result:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        while not wait([running], SIGN_OF_LIFE).done:
            broadcast_(torch.tensor(_GOING_ON))
    broadcast_(torch.tensor(_FINISHED))
    error = running.exception()
    message = [error is None, None if error is not None else running.result(), repr(error)]
    dist.broadcast_object_list(message, src=0)  # also after an error, or the others would wait for ever
    return running.result()


def _listen() -> Any:
    while int(broadcast_(torch.tensor(_GOING_ON))) == _GOING_ON:
        pass
    message: list[Any] = [None, None, None]
    dist.broadcast_object_list(message, src=0)
    done, result, error = message
    if not done:
        raise RuntimeError(f"rank 0 failed, which says more: {error}")
    return result


def gather_rows(tensor: Tensor) -> Tensor:
    """Concatenate every rank's ``(n_local, ...)`` along the rows, in order of rank; shards may be uneven."""
    if world_size() == 1:
        return tensor
    counts = torch.zeros(world_size(), dtype=torch.int64, device=tensor.device)
    counts[rank()] = len(tensor)
    all_reduce_sum_(counts)
    padded = tensor.new_zeros(int(counts.max()), *tensor.shape[1:])
    padded[: len(tensor)] = tensor
    parts = [torch.empty_like(padded) for _ in range(world_size())]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts.tolist(), strict=True)])


def gather_equal_rows(tensor: Tensor) -> Tensor:
    """Concatenate every rank's ``(n, ...)``, n equal on all ranks, in order of rank, without a gradient."""
    if world_size() == 1:
        return tensor.detach()
    gathered = tensor.new_empty(world_size() * len(tensor), *tensor.shape[1:])
    dist.all_gather_into_tensor(gathered, tensor.detach().contiguous())
    return gathered


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """Concatenate every rank's ``(n, ...)``, n equal on all ranks, in order of rank.

    Each rank's rows get the sum of what all ranks' losses have for them. Every rank must go backward through
    it, in the same order as through other collectives.
    """
    if world_size() == 1:
        return tensor
    gathered: Tensor = _GatherRows.apply(tensor)  # type: ignore[no-untyped-call]
    return gathered


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return gather_equal_rows(tensor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = all_reduce_sum_(grads[0].contiguous().clone())  # gloo knows no reduce-scatter
        return total.chunk(world_size())[rank()]
