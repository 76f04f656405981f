"""Random numbers that are a function of their purpose, not of the process or the time of the draw.

The augmentation of a sample is a function of (seed, epoch, row), the dropout of a step of (seed, rank, step).
They do not depend on the number of workers, on a validation in between, or on an interruption and resume.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np
import torch

SEED_VARIABLE = "PL_GLOBAL_SEED"
"""Environment variable in which Lightning's ``seed_everything`` stores the seed of the run."""


def global_seed() -> int:
    """Return the seed of the run; 0 if ``seed_everything`` was not called."""
    return int(os.environ.get(SEED_VARIABLE, "0"))


def derive_seed(*keys: int | str) -> int:
    """Hash ``keys`` to a seed of 63 bits, equal on every machine and in every process.

    >>> derive_seed(3, "view", 5, 7)
    7830390276161228519
    >>> derive_seed(3, "view", 5, 8) == derive_seed(3, "view", 5, 7)
    False
    """
    digest = hashlib.blake2b(repr(keys).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_generator(*keys: int | str) -> np.random.Generator:
    """Return a NumPy generator whose seed is derived from ``keys``."""
    return np.random.Generator(np.random.Philox(derive_seed(*keys)))


def torch_generator(*keys: int | str) -> torch.Generator:
    """Return a torch generator on the CPU whose seed is derived from ``keys``.

    >>> draws = [torch.randint(100, (8,), generator=torch_generator(0, "view", 5)).tolist() for _ in range(2)]
    >>> draws[0] == draws[1]
    True
    """
    return torch.Generator().manual_seed(derive_seed(*keys))
