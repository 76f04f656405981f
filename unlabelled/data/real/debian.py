"""Files of Debian packages, without root: ``apt-get download`` and ``dpkg-deb``."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


class PackageError(OSError):
    """A package cannot be downloaded or unpacked."""


@contextmanager
def unpacked(package: str) -> Iterator[tuple[Path, str]]:
    """Download a package and unpack it into a temporary folder, which is removed at the end.

    Yields:
        The folder, and the version of the package.

    Raises:
        PackageError: There is no apt-get or dpkg-deb, or one of them fails.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise PackageError(f"there is no {tool} to download the Debian package {package}")
    with tempfile.TemporaryDirectory(prefix="unlabelled-") as folder:
        log.info("downloading the Debian package %s", package)
        archive = _download(package, Path(folder))
        version = _run(["dpkg-deb", "--field", str(archive), "Version"], folder)
        _run(["dpkg-deb", "--extract", str(archive), f"{folder}/files"], folder)
        yield Path(folder, "files"), version.strip()


def _download(package: str, folder: Path) -> Path:
    try:
        _run(["apt-get", "--quiet=2", "download", package], str(folder))
    except PackageError:
        # The machine's package lists may be absent or too old: fetch new ones, in this folder.
        (folder / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}"]
        _run(["apt-get", *own, "--quiet=2", "update"], str(folder))
        _run(["apt-get", *own, "--quiet=2", "download", package], str(folder))
    archives = list(folder.glob(f"{package}_*.deb"))
    if len(archives) != 1:
        raise PackageError(f"apt-get download {package} left {len(archives)} archives instead of one")
    return archives[0]


def _run(command: Sequence[str], folder: str) -> str:
    """Run a command in a folder and return its output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        raise PackageError(f"{' '.join(command)} failed: {reason[-1]}")
    return done.stdout
