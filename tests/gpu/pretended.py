"""Tensors that are on a GPU by name, and in host memory in fact: they find mixed devices without a GPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from tests.gpu.inputs import Inputs, Module

CUDA = torch.device("cuda", 0)
_HOST = torch.device("cpu")
_ATEN = torch.ops.aten
_COPIES = {_ATEN._to_copy, _ATEN.copy_}
_INDEXING = {
    _ATEN.index,
    _ATEN.index_put,
    _ATEN.index_put_,
    _ATEN._index_put_impl_,
}  # indices may be on the host


class Pretended(Tensor):
    """A tensor whose device is a GPU, and whose numbers are ``on_host``; without a gradient.

    What is computed from such tensors is such a tensor. Tensors of both devices together raise an error, as
    on a GPU, and so does ``numpy()``.
    """

    on_host: Tensor

    @staticmethod
    def __new__(cls, on_host: Tensor) -> Pretended:
        made: Pretended = Tensor._make_wrapper_subclass(
            cls, on_host.shape, strides=on_host.stride(), dtype=on_host.dtype, device=CUDA
        )
        made.on_host = on_host
        return made

    def __init__(self, on_host: Tensor) -> None:
        pass

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def tolist(self) -> Any:
        return self.on_host.tolist()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _computed(func, args, kwargs or {})


class PretendedInputs(Inputs):
    """Inputs of a case, as pretended tensors."""

    def __init__(self, name: str) -> None:
        super().__init__(name, CUDA, torch.float32)

    def _on_device(self, values: Tensor) -> Tensor:
        return Pretended(values)

    def placed(self, module: Module) -> Module:
        """Replace the parameters and buffers by pretended tensors."""
        for part in module.modules():
            for name, value in part._parameters.items():
                if value is not None:
                    part._parameters[name] = nn.Parameter(Pretended(value.detach()), requires_grad=False)
            for name, buffer in part._buffers.items():
                if buffer is not None:
                    part._buffers[name] = Pretended(buffer.detach())
        return module


@contextlib.contextmanager
def pretended_gpu() -> Iterator[None]:
    """Make ``device="cuda"`` give pretended tensors, where there is no GPU."""
    torch._C._ensureCUDADeviceGuardSet()
    with (
        pytest.MonkeyPatch.context() as patch,
        torch.backends.cudnn.flags(enabled=False),
        torch.no_grad(),
        _Made(),
        _Constructed(),
    ):
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        yield


class _Made(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Constructed(TorchFunctionMode):
    """``torch.tensor`` copies to the device by itself."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.tensor and torch.device(kwargs.get("device") or "cpu").type == "cuda":
            return Pretended(torch.tensor(*args, **{**kwargs, "device": _HOST}))
        if func is Tensor.new_tensor and isinstance(args[0], Pretended):
            return Pretended(torch.tensor(args[1], **{"dtype": args[0].dtype, **kwargs}))
        return func(*args, **kwargs)


def _computed(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    kernel, flat = func.overloadpacket, tree_flatten((args, kwargs))[0]
    if kernel not in _COPIES:
        _check(kernel, args[:1] if kernel in _INDEXING else flat)
    device = kwargs.get("device")
    on_device = any(map(_is_pretended, flat)) if device is None else torch.device(device).type == "cuda"
    if device is not None:
        kwargs = {**kwargs, "device": _HOST}
    with torch.inference_mode(False), torch.no_grad():  # the former turns gradients on
        result = func(*tree_map(_host, args), **tree_map(_host, kwargs))
        if func._schema.is_mutable and isinstance(args[0], Tensor) and func._schema.name.endswith("_"):
            return args[0]
        return tree_map(_pretend, result) if on_device else result


def _check(kernel: Any, values: Sequence[Any]) -> None:
    """Raise as torch does where tensors of both devices are combined; a number may be on the host."""
    kinds = {_is_pretended(each) for each in values if isinstance(each, Tensor) and each.ndim}
    if len(kinds) > 1:
        raise RuntimeError(f"{kernel}: expected all tensors to be on the same device, found cuda:0 and cpu")


def _is_pretended(value: Any) -> bool:
    return isinstance(value, Pretended)


def _host(value: Any) -> Any:
    return value.on_host if isinstance(value, Pretended) else value


def _pretend(value: Any) -> Any:
    return Pretended(value) if type(value) is Tensor else value
