"""FluidR3 GM (Frank Wen): a sound font of sampled instruments, in General MIDI's order."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from unlabelled.data.real.debian import PackageError, unpacked
from unlabelled.data.real.source import Source, checksum, load_source, locked

PACKAGE = "fluid-soundfont-gm"
FILE = "FluidR3_GM.sf2"


def get_sound_font(root: str, file: str | None = None) -> Source:
    """Return a sound font; fetch FluidR3 GM from the Debian package ``fluid-soundfont-gm`` if it is absent.

    Args:
        root: Folder to put FluidR3 GM into.
        file: Another General MIDI sound font (``.sf2``), used where it is; ``None``: FluidR3 GM.

    Raises:
        FileNotFoundError: There is no such file.
        ConnectionError: The package cannot be downloaded.
        ValueError: The file is no sound font.
    """
    if file is not None:
        return _describe(
            Path(file).absolute(), "a sound font of your own", "unknown licence", "found on disk"
        )
    target = Path(root, FILE).absolute()
    record = target.with_suffix(".json")
    with locked(target.parent):
        known = load_source(record)
        if known is not None and known.path == str(target):
            return known
        version = "found on disk" if target.is_file() else _fetch(target)
        source = _describe(target, "FluidR3 GM", "MIT licence, (c) 2000-2002, 2008 Frank Wen", version)
        source.save(record)
    return source


def _describe(path: Path, name: str, licence: str, version: str) -> Source:
    if not path.is_file():
        raise FileNotFoundError(f"there is no sound font {path}")
    with path.open("rb") as stream:
        head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise ValueError(f"{path} is no sound font: it does not begin as an .sf2 file does; name another one")
    return Source(name, licence, version, str(path), {path.name: checksum(path)})


def _fetch(target: Path) -> str:
    """Put the sound font of the package to ``target`` and return its version."""
    try:
        with unpacked(PACKAGE) as (files, version):
            draft = target.with_suffix(".tmp")
            shutil.move(files / "usr/share/sounds/sf2" / FILE, draft)
            os.replace(draft, target)
        return f"Debian package {PACKAGE} {version}"
    except PackageError as error:
        raise ConnectionError(
            f"the sound font FluidR3 GM cannot be had ({error}); name any General MIDI .sf2 file "
            "(--sound_font FILE, or data.init_args.sound_font)"
        ) from error
