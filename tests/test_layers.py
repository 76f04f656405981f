"""Imports run down only: the front door, upstairs, the ground floor."""

from __future__ import annotations

import ast
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
