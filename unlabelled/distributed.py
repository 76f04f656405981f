"""Collective operations over the ranks of a run.

Without a process group there is one rank, and every function returns its input. A function whose name ends in
``_`` changes the tensor in place and returns it.
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
"""Seconds between two messages of a rank for which others wait; a collective times out after minutes."""
_RUNNING, _FINISHED = 0, 1


def _active() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return the index of this process among all processes; 0 without a process group.

    >>> rank(), world_size()
    (0, 1)
    """
    return dist.get_rank() if _active() else 0


def world_size() -> int:
    """Return the number of processes; 1 without a process group."""
    return dist.get_world_size() if _active() else 1


def _collective(tensor: Tensor, operation: Callable[[Tensor], object]) -> Tensor:
    # NCCL requires CUDA memory, but large tables are in the memory of the host.
    if dist.get_backend() == "nccl" and not tensor.is_cuda:
        staged = tensor.to(torch.device("cuda", torch.cuda.current_device()))
        operation(staged)
        return tensor.copy_(staged)
    operation(tensor)
    return tensor


def all_reduce_sum_(tensor: Tensor) -> Tensor:
    """Replace ``tensor`` (any shape, equal on all ranks) by its sum over the ranks, and return it.

    >>> all_reduce_sum_(torch.tensor([1, 2])).tolist()  # one rank
    [1, 2]
    """
    if world_size() == 1:
        return tensor
    return _collective(tensor, lambda t: dist.all_reduce(t, op=dist.ReduceOp.SUM))


def all_reduce_max_(tensor: Tensor) -> Tensor:
    """Replace ``tensor`` (any shape, equal on all ranks) by its maximum over the ranks, and return it."""
    if world_size() == 1:
        return tensor
    return _collective(tensor, lambda t: dist.all_reduce(t, op=dist.ReduceOp.MAX))


def broadcast_(tensor: Tensor, src: int = 0) -> Tensor:
    """Replace ``tensor`` (any shape, equal on all ranks) by that of rank ``src``, and return it."""
    if world_size() == 1:
        return tensor
    return _collective(tensor, lambda t: dist.broadcast(t, src=src))


def _floating_buffers(module: nn.Module, skip: Collection[str] = ()) -> Iterator[Tensor]:
    named = module.named_buffers()
    return (buffer for name, buffer in named if buffer.is_floating_point() and name not in skip)


@torch.no_grad()
def broadcast_buffers(module: nn.Module, skip: Collection[str] = ()) -> None:
    """Replace every floating-point buffer, such as BatchNorm's running statistics, by that of rank 0.

    Args:
        module: A module with the same buffers on all ranks.
        skip: Names of buffers to leave out: large ones that are equal on all ranks.
    """
    for buffer in _floating_buffers(module, skip):
        broadcast_(buffer)


@torch.no_grad()
def average_buffers(module: nn.Module) -> None:
    """Replace every floating-point buffer by its mean over the ranks; integer buffers (counters) stay."""
    for buffer in _floating_buffers(module):
        all_reduce_sum_(buffer).div_(world_size())


def from_first_rank(work: Callable[[], Result]) -> Result:
    """Run ``work`` on rank 0 and return its result on all ranks.

    ``work`` may take longer than the timeout of a collective: rank 0 sends a message every ``SIGN_OF_LIFE``
    seconds. With several ranks ``work`` runs in a thread.

    Args:
        work: A function whose result can be pickled.

    Raises:
        RuntimeError: On the other ranks, if ``work`` raises on rank 0.

    >>> from_first_rank(lambda: "the result of rank 0")
    'the result of rank 0'
    """
    if world_size() == 1:
        return work()
    return _run_and_send(work) if rank() == 0 else _receive()


def _run_and_send(work: Callable[[], Result]) -> Result:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not wait([future], SIGN_OF_LIFE).done:
            broadcast_(torch.tensor(_RUNNING))
    broadcast_(torch.tensor(_FINISHED))
    error = future.exception()
    message = [error is None, None if error is not None else future.result(), repr(error)]
    dist.broadcast_object_list(message, src=0)  # also after an error: the other ranks wait for it
    return future.result()


def _receive() -> Any:
    while int(broadcast_(torch.tensor(_RUNNING))) == _RUNNING:
        pass
    message: list[Any] = [None, None, None]
    dist.broadcast_object_list(message, src=0)
    succeeded, result, error = message
    if not succeeded:
        raise RuntimeError(f"rank 0 failed: {error}; its traceback is in the output of rank 0")
    return result


def gather_rows(tensor: Tensor) -> Tensor:
    """Concatenate the tensors ``(n_rank, ...)`` of all ranks along the rows, in the order of the ranks.

    The number of rows may differ between ranks.

    >>> gather_rows(torch.arange(4).reshape(2, 2)).shape  # one rank
    torch.Size([2, 2])
    """
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
    """Concatenate the tensors ``(n, ...)`` of all ranks, n equal on all, in the order of the ranks.

    The result has no gradient.
    """
    if world_size() == 1:
        return tensor.detach()
    gathered = tensor.new_empty(world_size() * len(tensor), *tensor.shape[1:])
    dist.all_gather_into_tensor(gathered, tensor.detach().contiguous())
    return gathered


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """Concatenate the tensors ``(n, ...)`` of all ranks, n equal on all, in the order of the ranks.

    The gradient of a rank's rows is the sum of their gradients on all ranks. The backward pass is a
    collective: every rank must run it, in the same order as other collectives.
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
        total = all_reduce_sum_(grads[0].contiguous().clone())  # gloo has no reduce-scatter
        return total.chunk(world_size())[rank()]
