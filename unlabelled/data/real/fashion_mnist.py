"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60 000 + 10 000 photographs of garments, 28 x 28 pixels."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

from torchvision.datasets import FashionMNIST

from unlabelled.data.real.debian import PackageError, unpacked
from unlabelled.data.real.source import Source, checksum, load_source, locked

PACKAGE = "dataset-fashion-mnist"
FASHION_MNIST_CLASSES = (
    "t-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""The classes by label. The official names of the first two are "T-shirt/top" and "Trouser"."""

CHECKSUMS = {
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}
"""SHA-256 of the uncompressed files."""


def get_fashion_mnist(root: str) -> Source:
    """Return Fashion-MNIST's files in torchvision's layout; fetch them if they are absent.

    They are taken from the Debian package ``dataset-fashion-mnist`` where there is apt-get, else by
    torchvision's own download.

    Args:
        root: Folder; the files are in ``root/FashionMNIST/raw``.

    Raises:
        ConnectionError: Both ways failed.
        ValueError: A file has another checksum.
    """
    folder = Path(root, "FashionMNIST", "raw").absolute()
    record = folder / "SOURCE.json"
    with locked(folder):
        if (known := load_source(record)) is not None and known.path == str(folder):
            return known
        version = "found on disk" if _complete(folder) else _fetch(root, folder)
        for name, expected in CHECKSUMS.items():
            if checksum(folder / name) != expected:
                raise ValueError(f"{folder / name} is damaged (its SHA-256 is not {expected}); delete it")
        source = Source("Fashion-MNIST", "MIT licence, (c) 2017 Zalando SE", version, str(folder), CHECKSUMS)
        source.save(record)
    return source


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in CHECKSUMS)


def _fetch(root: str, folder: Path) -> str:
    """Put the files into a folder and return where they are from."""
    try:
        with unpacked(PACKAGE) as (files, version):
            for name in CHECKSUMS:
                packed = files / "usr/share/datasets/fashion-mnist" / f"{name}.gz"
                draft = folder / f"{name}.tmp"
                with gzip.open(packed) as stream, draft.open("wb") as file:
                    shutil.copyfileobj(stream, file)
                os.replace(draft, folder / name)
        return f"Debian package {PACKAGE} {version}"
    except PackageError as reason:
        try:
            FashionMNIST(root, download=True)
        except (OSError, RuntimeError) as error:
            raise ConnectionError(
                f"Fashion-MNIST can be had neither from Debian ({reason}) nor by torchvision ({error}); "
                f"put its four uncompressed files into {folder}"
            ) from error
        return "torchvision's download"
