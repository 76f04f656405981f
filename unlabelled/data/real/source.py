"""A record of real data: licence, version, checksums; stored beside the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock


@dataclass(frozen=True)
class Source:
    """Real data on disk.

    Args:
        name: What it is.
        licence: Its licence.
        version: Version of the package, or where else the files are from.
        path: The file, or the folder of the files.
        checksums: SHA-256 of each file, by name.
    """

    name: str
    licence: str
    version: str
    path: str
    checksums: dict[str, str]

    def describe(self) -> str:
        """Return one line per file: name, licence, version, checksum."""
        head = f"{self.name} ({self.licence}), {self.version}, in {self.path}"
        return "\n".join([head, *(f"  sha256 {digest}  {name}" for name, digest in self.checksums.items())])

    def save(self, file: Path) -> None:
        """Write the record as JSON."""
        file.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def load_source(file: Path) -> Source | None:
    """Read a record; ``None``: there is none, or one of its files is missing."""
    try:
        source = Source(**json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None
    folder = Path(source.path) if Path(source.path).is_dir() else Path(source.path).parent
    return source if all((folder / name).is_file() for name in source.checksums) else None


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time write to a folder, which is created if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        yield
