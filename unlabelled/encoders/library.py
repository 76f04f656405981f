"""Shared parts of the encoders of networks from other libraries."""

from __future__ import annotations

import difflib
import importlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from unlabelled.encoders.base import Encoder
from unlabelled.weights import load_encoders


class LibraryEncoder(Encoder):
    """Base of the encoders whose network is one of another library, without its classifier.

    The feature is the mean over the positions of the last maps; networks without maps, of which only a pooled
    vector is known, have a single position.

    Attributes:
        network: The network; it keeps the names of its parts, so that files of its weights fit.
        size: Size of the inputs that it is made for, ``[T,] H, W``; many networks take other sizes, too.
        size_option: How another size is given, for messages.
    """

    network: nn.Module
    size: tuple[int, ...] = ()
    size_option: str

    def published_names(self) -> dict[str, str]:
        """Return the library's names."""
        return {"network": ""}

    @abstractmethod
    def network_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to ``(batch, D, *positions)``."""

    def feature_maps(self, inputs: Tensor) -> Tensor:
        """Map ``(batch, channels, *size)`` to ``(batch, D, *positions)``.

        Raises:
            ValueError: The network does not take inputs of this size.
        """
        try:
            return self.network_maps(inputs)
        except (AssertionError, RuntimeError, ValueError) as error:
            given = tuple(inputs.shape[2:])
            if given == self.size or isinstance(error, torch.OutOfMemoryError):
                raise
            made_for = f" is made for {_by(self.size)} and" if self.size else ""
            raise ValueError(
                f"{type(self).__name__}: the network{made_for} fails on {_by(given)} ({_one_line(error)}); "
                f"change the size in the pipeline, or {self.size_option}"
            ) from error

    def load(self, path: str) -> None:
        """Load the weights of a file, in any layout of :data:`unlabelled.layouts.LAYOUTS`."""
        load_encoders(nn.ModuleDict({self.modality: self}), path, option=type(self).__name__)

    def measure(self, *size: int) -> int:
        """Return D, the number of channels of the maps of an input ``(1, *size)``; nothing is computed."""
        copy = deepcopy(self).to("meta").eval()
        with torch.device("meta"), torch.no_grad():
            return copy.feature_maps(torch.zeros(1, *size)).shape[1]


def _by(size: Iterable[int]) -> str:
    return "x".join(str(length) for length in size)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def is_file(weights: str | None) -> bool:
    """Return whether ``weights`` is a path, rather than a name or None."""
    return weights is not None and ("." in weights or "/" in weights)


def import_library(name: str, user: str) -> Any:
    """Return the module of an optional library.

    Raises:
        ValueError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"{user} requires the package {name}, which is not installed: pip install '{name}'"
        ) from error


def build(
    make: Callable[[], Any], user: str, name: str, known: Iterable[str] = (), downloads: bool = True
) -> Any:
    """Return a network; errors are one line.

    Args:
        make: Makes the network, and may download weights.
        user: The encoder, for messages.
        name: The network, for messages.
        known: The names of all networks, where there is a list of them.
        downloads: Whether ``make`` may download weights.

    Raises:
        ValueError: There is no such network, an option is wrong, or its weights cannot be downloaded.
    """
    names = list(known)
    if names and name not in names:
        near = difflib.get_close_matches(name, names, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it has {len(names)} networks"
        raise ValueError(f"{user}: the library has no network {name!r}; {hint}")
    try:
        return make()
    except Exception as error:  # of any type: the library's, of its options, of the connection
        advice = "change its options"
        if downloads:
            advice = "where its weights cannot be downloaded, give the path of a file or folder"
        raise ValueError(f"{user}: {name!r} cannot be made: {_one_line(error)}; {advice}") from error


def token_maps(tokens: Tensor, prefix: int) -> Tensor:
    """Map tokens ``(B, prefix + N, D)`` to maps ``(B, D, N)``, or ``(B, D, side, side)`` if N is a square.

    >>> token_maps(torch.zeros(2, 1 + 49, 8), prefix=1).shape
    torch.Size([2, 8, 7, 7])
    """
    maps = tokens[:, prefix:].transpose(1, 2)
    side = math.isqrt(maps.shape[2])
    return maps.reshape(*maps.shape[:2], side, side) if side * side == maps.shape[2] else maps
