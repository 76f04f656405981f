"""Find operations for which the processor would wait for a GPU, while everything runs on the processor."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.conftest import ROOT

_ATEN = torch.ops.aten
_WAITING_KERNELS = {
    _ATEN._local_scalar_dense,  # item(), bool(), int(), float()
    _ATEN.nonzero,
    _ATEN.masked_select,
    _ATEN.unique_dim,
    _ATEN._unique2,
    _ATEN.unique_consecutive,
    _ATEN.equal,
    _ATEN.bincount,
}
_WAITING_METHODS = {Tensor.cpu, Tensor.numpy, Tensor.tolist, Tensor.__array__}
_INDEXING = {_ATEN.index, _ATEN.index_put, _ATEN.index_put_, _ATEN._index_put_impl_}


class Synchronisations:
    """Collect the operations within a ``with`` block for which a GPU would be waited for.

    They are scalars read from a tensor, results whose size depends on values, boolean indices, and copies
    from the device. Each is a text: the operation, and the line of this repository that calls it.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self._modes = (_Kernels(self.found), _Methods(self.found))

    def __enter__(self) -> Synchronisations:
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(None, None, None)


class _Kernels(TorchDispatchMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kernel = func.overloadpacket
        if kernel in _WAITING_KERNELS or (kernel in _INDEXING and _has_boolean(args[1])):
            _note(self._found, kernel.__name__)
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _WAITING_METHODS or (func is Tensor.to and _is_cpu([*args[1:], *kwargs.values()])):
            _note(self._found, func.__name__)
        return func(*args, **kwargs)


def _has_boolean(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


def _is_cpu(values: Sequence[Any]) -> bool:
    """Return whether the processor is named; a ``torch.device`` may be that of the module."""
    return any(isinstance(value, str) and value == "cpu" for value in values)


def _note(found: list[str], operation: str) -> None:
    """Add an operation and the innermost line outside of torch; counters of optimisers are on the host."""
    for frame in reversed(traceback.extract_stack()):
        if "/torch/optim/" in frame.filename:
            return
        if "/torch/" not in frame.filename and "/tests/" not in frame.filename:
            path = frame.filename.rpartition("site-packages/")[2].removeprefix(f"{ROOT}/")
            found.append(f"{operation} in {path}:{frame.lineno} ({frame.name})")
            return
