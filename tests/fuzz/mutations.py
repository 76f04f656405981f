"""Random changes of the bytes of a file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytearray, np.random.Generator], None]
_EXTREMES = (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00")
_LONGEST = 2048


def _flip(content: bytearray, rng: np.random.Generator) -> None:
    for position in rng.integers(0, len(content), rng.integers(1, 9)):
        content[position] ^= 1 << int(rng.integers(8))


def _random_block(content: bytearray, rng: np.random.Generator) -> None:
    start, length = _block(content, rng)
    content[start : start + length] = rng.bytes(length)


def _zero_block(content: bytearray, rng: np.random.Generator) -> None:
    start, length = _block(content, rng)
    content[start : start + length] = bytes(length)


def _cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(0, len(content))) :]


def _delete(content: bytearray, rng: np.random.Generator) -> None:
    start, length = _block(content, rng)
    del content[start : start + length]


def _repeat(content: bytearray, rng: np.random.Generator) -> None:
    start, length = _block(content, rng)
    content[start:start] = content[start : start + length]


def _insert(content: bytearray, rng: np.random.Generator) -> None:
    start, length = _block(content, rng)
    content[start:start] = rng.bytes(length)


def _move(content: bytearray, rng: np.random.Generator) -> None:
    start, length = _block(content, rng)
    block = content[start : start + length]
    del content[start : start + length]
    place = int(rng.integers(0, len(content) + 1))
    content[place:place] = block


def _extreme_number(content: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(0, max(1, min(len(content), 4096) - 4)))  # headers are at the beginning
    content[start : start + 4] = _EXTREMES[int(rng.integers(len(_EXTREMES)))]


MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _random_block,
    _zero_block,
    _cut,
    _delete,
    _repeat,
    _insert,
    _move,
    _extreme_number,
)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a copy with one of the changes; it may equal the original."""
    changed = bytearray(content)
    MUTATIONS[int(rng.integers(len(MUTATIONS)))](changed, rng)
    return bytes(changed)


def _block(content: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(0, len(content)))
    return start, int(rng.integers(1, min(_LONGEST, max(2, len(content) // 4))))
