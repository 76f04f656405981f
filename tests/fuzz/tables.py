"""Mutated tables of own files and of VGG-Sound, and configurations."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datamodules import VGGSound
from tests._helpers.parsing import Parsed
from tests.conftest import ROOT
from tests.fuzz.children import CRASH
from tests.fuzz.mutations import mutate
from unlabelled.data.lists.own_table import read_table

_NAMES = [f"clip {number}.mp4" for number in range(6)]
_CSV = "path,label,start,end,split,caption\n" + "".join(
    f'"{name}",{"ab"[number % 2]},{number},{number + 2.5},{"train" if number % 3 else "val"},"a, “clip”"\n'
    for number, name in enumerate(_NAMES)
)
_JSON = "".join(json.dumps({"path": name, "label": "é", "start": 1}) + "\n" for name in _NAMES)
_VGGSOUND = "".join(f"{number:011d},{number},dog barking,train\n" for number in range(6))


def fuzz(number: int, seed: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the outcome of mutated tables; bad ones stay in the folder."""
    contents = {"a.csv": _CSV, "b.jsonl": _JSON, "c.tsv": _CSV.replace(",", "\t"), "vggsound.csv": _VGGSOUND}
    yield from _fuzz(number, seed, folder, {name: text.encode() for name, text in contents.items()}, read)


def fuzz_configurations(number: int, seed: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the outcome of mutated demos."""
    demos = sorted((ROOT / "configs" / "demo").glob("*.yaml"))
    yield from _fuzz(number, seed, folder, {path.name: path.read_bytes() for path in demos}, parse)


def _fuzz(
    number: int, seed: int, folder: Path, wholes: dict[str, bytes], work: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    for count in range(number):
        name = list(wholes)[count % len(wholes)]
        path = folder / f"{count:05d}" / name
        path.parent.mkdir()
        path.write_bytes(mutate(wholes[name], rng))
        try:
            outcome = work(str(path))
        except Exception as error:
            outcome = f"{CRASH} ({type(error).__name__})"
        if outcome.startswith(("read", "refused")):
            path.unlink()
            path.parent.rmdir()
        yield f"{path.parent.name}/{path.name}", outcome


def read(path: str) -> str:
    """Read a table as the data modules do."""
    try:
        if path.endswith("vggsound.csv"):
            assert VGGSound(str(Path(path).parent), path).rows is not None
        else:
            read_table(str(Path(path).parent), path, _NAMES)
    except (ValueError, FileNotFoundError) as error:
        return _refusal(str(error), Path(path).name)
    return "read"


def parse(path: str) -> str:
    """Parse a configuration as ``cli.py`` does, without running it."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            Parsed(["fit", f"--config={path}"])
    except SystemExit:
        lines = [
            line for line in errors.getvalue().splitlines() if "LightningCLI's args parameter" not in line
        ]
        return _refusal("\n".join(lines), Path(path).name)
    return "read"


def _refusal(text: Any, name: str) -> str:
    lines = text.strip().splitlines()
    return "refused" if len(lines) == 1 else f"{len(lines)} lines about {name}"
