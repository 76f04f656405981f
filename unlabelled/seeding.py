"""Random numbers that depend on *what* is drawn for, not on who draws or when.

A sample's augmentation is a function of (seed, epoch, row), a step's dropout of (seed, rank, step): so the
number of workers and ranks, a validation run in between, or a kill and resume change nothing.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np
import torch

SEED_VARIABLE = "PL_GLOBAL_SEED"
"""Where Lightning's ``seed_everything`` leaves the run's seed, for this process and its children."""


def global_seed() -> int:
    """Return the run's seed; 0 in a process that nobody seeded."""
    return int(os.environ.get(SEED_VARIABLE, "0"))


def derive_seed(*keys: int | str) -> int:
    """Hash ``keys`` into a 63-bit seed, equal on every machine and in every process."""
    digest = hashlib.blake2b(repr(keys).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def numpy_generator(*keys: int | str) -> np.random.Generator:
    """Return NumPy's generator for ``keys``."""
    return np.random.Generator(np.random.Philox(derive_seed(*keys)))


def torch_generator(*keys: int | str) -> torch.Generator:
    """Return torch's CPU generator for ``keys``."""
    return torch.Generator().manual_seed(derive_seed(*keys))
