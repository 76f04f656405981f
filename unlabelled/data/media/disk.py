"""Files by their paths, whether they lie on disk or in a shard."""

from __future__ import annotations

import functools
import io
import os
import re
import tarfile
import tempfile
from typing import Any, BinaryIO, NamedTuple

from unlabelled.data.media.shards import Member, find_member, packed_file

# FFmpeg's protocol for a part of a file; see https://ffmpeg.org/ffmpeg-protocols.html#subfile
_SUBFILE = re.compile(r"subfile,,start,(\d+),end,(\d+),,:(.*)", re.DOTALL)
BLOCK = tarfile.BLOCKSIZE
_LONGEST_NAME = 100  # in the header of a tar file; a longer one has another header before it
_KEPT_COPIES = 4  # a clip is opened several times: for its frames, its audio and its time stamps


class State(NamedTuple):
    """Size in bytes and modification time in nanoseconds."""

    size: int
    modified: int


def state_of(path: str) -> State:
    """Return size and modification time of a file, or of a name that FFmpeg has opened.

    Raises:
        OSError: There is no such file.
    """
    if part := _SUBFILE.fullmatch(path):  # shards do not change
        return State(int(part[2]) - int(part[1]), 0)
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if (member := find_member(path)) is None:
            raise
        return State(member.size, member.modified)
    return State(status.st_size, status.st_mtime_ns)


def is_file(path: str) -> bool:
    """Return whether there is such a file."""
    return os.path.isfile(path) or find_member(path) is not None


def is_folder(path: str) -> bool:
    """Return whether there is such a folder."""
    if os.path.isdir(path):
        return True
    found = packed_file(path)
    return found is not None and found[0].has_folder(found[1])


def is_packed(path: str) -> bool:
    """Return whether a file lies in a shard."""
    return not os.path.lexists(path) and find_member(path) is not None


def real_path(path: str) -> str:
    """Return the path of the file that a link leads to, as ``os.path.realpath``, also of packed links."""
    real = os.path.realpath(path)
    if os.path.lexists(real) or (found := packed_file(real)) is None:
        return real
    shards, name = found
    return f"{shards.root}/{shards.real(name)}"


def open_file(path: str) -> BinaryIO:
    """Open a file, or a name that FFmpeg has opened, for reading.

    Raises:
        OSError: There is no such file.
    """
    if part := _SUBFILE.fullmatch(path):
        return _part(part[3], int(part[1]), int(part[2]))
    try:
        return open(path, "rb")
    except (FileNotFoundError, NotADirectoryError):
        if (member := find_member(path)) is None:
            raise
    if "://" in member.shard:
        return open(_local_copy(member, os.getpid()).name, "rb")
    _check_local(member)
    return _part(member.shard, member.offset, member.offset + member.size)


def ffmpeg_name(path: str) -> str:
    """Return the name by which FFmpeg opens a file: the path, a part of a shard, or a copy in memory."""
    if os.path.lexists(path) or (member := find_member(path)) is None:
        return path
    if "://" in member.shard:
        return _local_copy(member, os.getpid()).name
    _check_local(member)
    return f"subfile,,start,{member.offset},end,{member.offset + member.size},,:{member.shard}"


@functools.lru_cache(maxsize=4096)
def _check_local(member: Member) -> None:
    """Compare the header of a packed file with the index, once in each process."""
    with open(member.shard, "rb", buffering=0) as file:
        _check_header(member, os.pread(file.fileno(), BLOCK, max(0, member.offset - BLOCK)))


def _check_header(member: Member, block: bytes) -> None:
    """Compare the header of a packed file with the index.

    Raises:
        OSError: The shard has another file there: it is damaged, or a shard of another index.
    """
    try:
        header = tarfile.TarInfo.frombuf(block, "ascii", "surrogateescape")
    except tarfile.HeaderError as error:
        raise OSError(f"{member.shard} has no file at byte {member.offset}; pack the folder again") from error
    name = member.name.encode("ascii", "replace")[:_LONGEST_NAME].decode()  # as tarfile writes it
    if header.size != member.size or header.name != name.rstrip("/"):
        raise OSError(
            f"{member.shard} has {header.name!r}, not {member.name!r}, at byte {member.offset}; pack the "
            "folder again"
        )


def _part(path: str, start: int, end: int) -> BinaryIO:
    return io.BufferedReader(_Part(open(path, "rb", buffering=0), start, end))


class _Part(io.RawIOBase):
    """The bytes of a file from ``start`` to ``end`` as a file of its own."""

    def __init__(self, file: io.FileIO, start: int, end: int) -> None:
        self._file, self._start, self._size, self._position = file, start, end - start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)[: max(0, self._size - self._position)]
        self._file.seek(self._start + self._position)
        read = self._file.readinto(wanted) if wanted else 0
        self._position += read
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


class _Copy:
    """A packed file that was fetched from elsewhere, in memory where the platform can, else on disk."""

    def __init__(self, content: bytes) -> None:
        if hasattr(os, "memfd_create"):
            self._file: Any = os.fdopen(os.memfd_create("unlabelled"), "w+b")
            self.name = f"/proc/self/fd/{self._file.fileno()}"
        else:
            self._file = tempfile.NamedTemporaryFile(prefix="unlabelled-")  # noqa: SIM115 -- closed with the copy
            self.name = self._file.name
        self._file.write(content)
        self._file.flush()


@functools.lru_cache(maxsize=_KEPT_COPIES)
def _local_copy(member: Member, process: int) -> _Copy:
    """Return a copy of a packed file; each process fetches its own, as connections are not shared."""
    from fsspec.core import url_to_fs  # only those who read from elsewhere need it

    files, path = url_to_fs(member.shard)
    content = files.cat_file(path, start=member.offset - BLOCK, end=member.offset + member.size)
    _check_header(member, content[:BLOCK])
    if len(content) != BLOCK + member.size:
        raise OSError(f"{member.shard} ends before byte {member.offset + member.size}")
    return _Copy(content[BLOCK:])
