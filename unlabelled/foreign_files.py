"""Read the tensors of files of weights that other code has written; run no code from a file."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import torch
from torch import Tensor

from unlabelled.checkpoints import compare_checksums

_ENTRIES = ("state_dict", "model", "model_state_dict")  # where the code of others stores the weights
_WRAPPERS = ("module", "_orig_mod")  # of DataParallel, anywhere in a key, and of torch.compile
_BUILDERS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    **{
        ("torch._utils", name): getattr(torch._utils, name)
        for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
    },
}


class _Inert:
    """Stands for an object of any other class: it takes every state, and does nothing with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> _Inert:
        return self

    def __setstate__(self, state: Any) -> None: ...

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None:
        """Take an entry of a list."""

    def extend(self, values: Any) -> None:
        """Take entries of a list."""


def read_weights(path: str | Path, name: str = "weights") -> dict[str, Tensor]:
    """Read the tensors of a file of weights by their keys, of whatever code.

    ``torch.save`` of a ``state_dict``, or of a dictionary with it as ``state_dict``, ``model`` or
    ``model_state_dict``; or a ``.safetensors`` file. ``module.`` of DataParallel and ``_orig_mod.`` of
    torch.compile are removed from the keys. Objects beside the tensors are not created.

    Args:
        path: The file.
        name: The option that names the file, for messages.

    Returns: The tensors on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, no file of weights, or has no tensors.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{name}: there is no file {str(path)!r}; give the path of a checkpoint")
    content = _safetensors(path, name) if Path(path).suffix == ".safetensors" else _torch_file(path, name)
    for entry in _ENTRIES:
        if isinstance(content, dict) and isinstance(content.get(entry), dict):
            content = content[entry]
            break
    tensors = content if isinstance(content, dict) else {}
    tensors = {_unwrapped(key): value for key, value in tensors.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"{name}: {str(path)!r} has no tensors by name; {_advice(content)}")
    return tensors


def _advice(content: Any) -> str:
    """Return what to give in place of a file without tensors, which other entries may have."""
    entries = content.items() if isinstance(content, dict) else ()
    found = [repr(key) for key, value in entries if isinstance(value, dict) and _has_tensors(value)]
    if not found:
        return "give a file with a state_dict"
    return f"save one of its entries {', '.join(found[:4])} as a file of its own, and give that"


def _has_tensors(content: dict[Any, Any]) -> bool:
    """Return whether a dictionary has tensors by name, at any depth; those of an optimiser have numbers."""
    values = content.values() if all(isinstance(key, str) for key in content) else ()
    return any(
        isinstance(value, Tensor) or (isinstance(value, dict) and _has_tensors(value)) for value in values
    )


def _unwrapped(key: Any) -> str:
    return ".".join(part for part in str(key).split(".") if part not in _WRAPPERS)


def _safetensors(path: str | Path, name: str) -> dict[str, Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise ValueError(
            f"{name}: reading {str(path)!r} requires the package safetensors; pip install safetensors"
        ) from error
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except Exception as error:
        raise ValueError(f"{name}: {str(path)!r} is damaged or no safetensors file") from error
    return tensors


def _torch_file(path: str | Path, name: str) -> Any:
    try:
        compare_checksums(path)
        return _load(path)
    except Exception as error:  # of any type: torch's readers do not check what a damaged file states
        raise ValueError(f"{name}: {str(path)!r} is damaged or no checkpoint; give another file") from error


def _load(path: str | Path) -> Any:
    """Read tensors and plain values; objects of other classes (``argparse.Namespace``, ...) become inert."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" not in str(error).lower():
            raise

    class Unpickler(pickle.Unpickler):
        """Create tensors and containers alone."""

        def find_class(self, module: str, name: str) -> Any:
            """Return what rebuilds a tensor; for all else the inert class."""
            if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
                return getattr(torch, name)
            return _BUILDERS.get((module, name), _Inert)

    def load(file: IO[bytes], **options: Any) -> Any:
        return Unpickler(file, **options).load()

    reader = SimpleNamespace(__name__="tensors", Unpickler=Unpickler, load=load)
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)
