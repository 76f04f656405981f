"""Imports run down only: the front door, upstairs, the ground floor."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

UPSTAIRS = {"lightning_modules", "datamodules", "callbacks"}
FORBIDDEN = {
    "unlabelled": UPSTAIRS | {"cli", "lightning", "pytorch_lightning"},
    **{room: UPSTAIRS - {room} | {"cli"} for room in UPSTAIRS},
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_no_room_imports_what_it_may_not(room: str) -> None:
    files = [path for path in sorted((ROOT / room).rglob("*.py")) if path.name != "__main__.py"]
    assert files
    offending = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        if name in FORBIDDEN[room]
    }
    assert not offending


def words(path: Path) -> Iterator[str]:
    """Yield the identifiers and the strings of a file, without docstrings, which may tell sources."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    documentation = [node.value for node in nodes if isinstance(node, ast.Expr)]
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name
            case ast.Constant(value=str(text)) if node not in documentation:
                yield text


def test_nothing_beside_the_methods_names_a_method() -> None:
    import lightning_modules

    names = [
        name for name in lightning_modules.__all__ if name not in ("BaseModule", "Classifier", "Pretrained")
    ]
    assert {"SeLaVi", "GDT", "SHHC"} <= set(names)
    pattern = re.compile(rf"\b({'|'.join(names)})\b")
    files = [ROOT / "cli.py", *(ROOT / "callbacks").rglob("*.py"), *(ROOT / "datamodules").rglob("*.py")]
    assert pattern.search("callbacks for SeLaVi")
    assert not {
        f"{path.relative_to(ROOT)}: {word}" for path in files for word in words(path) if pattern.search(word)
    }
