"""Word vectors in the memory-mapped binary file of word2vec."""

from __future__ import annotations

import logging
import mmap
import os
import re
from array import array
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from unlabelled.data.features.column_format import encode, hash_keys
from unlabelled.data.features.text_encoder import TextEncoder, TextTokens
from unlabelled.data.media.array_file import map_arrays, write_arrays
from unlabelled.data.media.storage import derived_folder, short_hash, write_atomically

_log = logging.getLogger(__name__)

_WORD = re.compile(r"[\w']+")
_BLOCK = 1 << 24
_LONGEST_HEADER, _LONGEST_WORD = 100, 1 << 16
_HASHED_AT_ONCE = 1 << 16
_VERSION = 2


def words_of(text: str) -> list[str]:
    """Return the words of a text: letters, digits, underscores and apostrophes; their case is kept.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/utils.py; docs/methods/sspc.md#features.
    """
    return _WORD.findall(text)


class WordVectors(TextEncoder):
    """Vectors of words, such as the 3 million 300-d vectors of GoogleNews.

    Words without a vector are left out before the first ones are selected. Upper and lower case differ;
    vectors are not normalised. An index of the words is written once, beside the file
    (``.unlabelled/word2vec/``) or in the cache folder of the user, which takes a minute for GoogleNews; later
    it is opened in milliseconds.

    Args:
        path: A file in word2vec's binary format: ``count dim``, a line break, then per word its bytes, a
            space and ``dim`` float32.

    Source: SSPC supplement, section 5; docs/methods/sspc.md#features.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        self._hashes: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._offsets: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._dim = 0

    def __reduce__(self) -> tuple[type[WordVectors], tuple[str]]:
        return WordVectors, (self.path,)

    @property
    def dim(self) -> int:
        """Width of a vector."""
        if not self._dim:
            with _opened(self.path) as file:
                self._dim = _read_header(file, self.path)[1]
        return self._dim

    def __len__(self) -> int:
        """Return the number of words; those that occur twice are counted twice."""
        self.open()
        return len(self._hashes)

    def open(self) -> None:
        """Map the file and its index; see :meth:`TextEncoder.open`."""
        if self._map is not None:
            return
        with _opened(self.path) as file:
            self._dim = _read_header(file, self.path)[1]
            self._hashes, self._offsets = _index(self.path)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def encode(self, text: str, max_words: int) -> TextTokens:
        """Return the vectors of a text's first known words."""
        self.open()
        words = words_of(text)
        offsets = self._find(words)
        known = [offset for offset in offsets if offset >= 0][:max_words]
        tokens = np.empty((len(known), self._dim), np.float32)
        for index, offset in enumerate(known):
            tokens[index] = np.frombuffer(self._map or b"", "<f4", self._dim, offset)
        return TextTokens(tokens, len(words), sum(offset < 0 for offset in offsets))

    def _find(self, words: Sequence[str]) -> list[int]:
        """Return the offset of each word's vector in the file; -1: no vector."""
        keys = [encode(word) for word in words]
        hashes = hash_keys(keys)
        positions = np.searchsorted(self._hashes, hashes)
        inside = positions < len(self._hashes)
        offsets = np.full(len(keys), -1, np.int64)
        offsets[inside] = self._offsets[positions[inside]]
        same = np.zeros(len(keys), bool)
        same[inside] = self._hashes[positions[inside]] == hashes[inside]
        found = zip(keys, offsets.tolist(), same.tolist(), strict=True)
        return [
            offset if same_hash and self._precedes(key, offset) else -1 for key, offset, same_hash in found
        ]

    def _precedes(self, key: bytes, offset: int) -> bool:
        """Return whether a word is before the vector at ``offset``, not another word of the same hash."""
        assert self._map is not None
        return self._map[offset - len(key) - 1 : offset] == key + b" "


def write_word2vec(path: str, words: Sequence[str], vectors: NDArray[np.floating]) -> None:
    """Write word2vec's binary format in one step.

    Args:
        path: The file.
        words: Words without spaces and line breaks.
        vectors: ``(len(words), dim)``.

    Raises:
        ValueError: The numbers of vectors and words differ, or a word cannot be stored.
    """
    if vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(f"{path}: expected vectors ({len(words)}, dim), found {vectors.shape}")
    invalid = [word for word in words if not word or " " in word or "\n" in word]
    if invalid:
        raise ValueError(f"{path}: {invalid[0]!r} is not a word: it is empty or has a space or a line break")

    def write(file: BinaryIO) -> None:
        file.write(f"{len(words)} {vectors.shape[1]}\n".encode())
        for word, vector in zip(words, vectors, strict=True):
            file.write(encode(word) + b" " + vector.astype("<f4").tobytes() + b"\n")

    write_atomically(path, write)


def _opened(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"there are no word vectors at {path}; expected word2vec's binary file, such as "
            "GoogleNews-vectors-negative300.bin (unpacked, not .gz)"
        ) from error


def _read_header(file: BinaryIO, path: str) -> tuple[int, int]:
    """Read the numbers of words and dimensions; the next byte of the file is the first word."""
    line = file.readline(_LONGEST_HEADER)
    fields = line.split()
    if not line.endswith(b"\n") or len(fields) != 2 or not all(field.isdigit() for field in fields):
        raise ValueError(
            f"{path} is not in word2vec's binary format: expected `count dim` in its first line, "
            f"found {line[:40]!r}"
        )
    count, dim = int(fields[0]), int(fields[1])
    if dim == 0:
        raise ValueError(f"{path}: its vectors have 0 dimensions")
    return count, dim


def _index(path: str) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the sorted hashes of all words and the offsets of their vectors; write them if missing.

    Several processes may write it at the same time: each writes a complete file of the same content.
    """
    status = os.stat(path)
    state = short_hash(f"{_VERSION} {os.path.abspath(path)} {status.st_size} {status.st_mtime_ns}")
    folder = derived_folder(os.path.dirname(os.path.abspath(path)), "word2vec")
    file = os.path.join(folder, f"{os.path.basename(path)}-{state}.words")
    try:
        hashes, offsets = _map_index(file, state)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError) as error:
        _log.warning("the words of %s are indexed again: %s", path, error)
    else:
        return hashes, offsets
    write_arrays(file, {"table": _scan(path)}, {"state": state})
    return _map_index(file, state)


def _map_index(file: str, state: str) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    arrays, facts = map_arrays(file)
    if facts["state"] != state:
        raise ValueError(f"{file} is that of another file")
    hashes, offsets = arrays["table"]
    return hashes, offsets


def _scan(path: str) -> NDArray[np.uint64]:
    """Return ``(2, count)``, sorted hashes and offsets; the first vector counts if a word occurs twice."""
    offsets, hashes, pending = array("Q"), [], []
    with _opened(path) as file:
        count, dim = _read_header(file, path)
        block, base, start, size = b"", file.seek(0, os.SEEK_CUR), 0, 4 * dim
        for number in range(count):
            if len(block) - start < _LONGEST_WORD + size:
                more = file.read(_BLOCK + _LONGEST_WORD + size)
                block, base, start = block[start:] + more, base + start, 0
            space = block.find(b" ", start, start + _LONGEST_WORD)
            if space < 0 or space + 1 + size > len(block):
                raise ValueError(
                    f"{path} is truncated or damaged: its first line states {count} words of {dim} "
                    f"dimensions, found {number}"
                )
            pending.append(block[start:space].lstrip(b"\n"))
            offsets.append(base + space + 1)
            start = space + 1 + size
            if len(pending) == _HASHED_AT_ONCE:
                hashes.append(hash_keys(pending))
                pending.clear()
    found = np.concatenate([*hashes, hash_keys(pending)])
    order = np.argsort(found, kind="stable")
    return np.stack([found[order], np.frombuffer(offsets, np.uint64)[order]])
