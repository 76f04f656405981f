"""Imports of the command line."""

from __future__ import annotations

import subprocess
import sys
from typing import Protocol

import pytest
from jsonargparse import _typehints

from tests.conftest import ROOT, environment
from unlabelled.commands.start_up import remember_protocols

SCIPY = ("scipy.cluster", "scipy.ndimage", "scipy.optimize", "scipy.signal", "scipy.sparse", "scipy.spatial")
LATE = (*SCIPY, "sklearn", "pytorch_optimizer", "tensorboard", "torchaudio", "faiss", "decord")
LINES = f"""
import sys, cli
print(sorted(set({LATE!r}) & sys.modules.keys()))
import scipy.signal
print(callable(scipy.signal.windows.hann), hasattr(scipy.signal, "butter"))
from unlabelled.optim import LARS
print(LARS.__module__)
"""


def test_packages_that_a_run_may_not_need_are_imported_late() -> None:
    """Together they took longer than torch; and the stand-in for ``scipy.signal`` must be gone."""
    output = subprocess.run(
        [sys.executable, "-c", LINES], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    assert output.splitlines() == ["[]", "True True", "unlabelled.lars"]


def test_a_class_is_compared_with_a_protocol_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Opener(Protocol):
        def open(self, name: str) -> int: ...

    class Door:
        def open(self, name: str) -> int:
            return 0

    class Wall:
        def open(self, name: str) -> str:
            return name

    def called(name: str) -> int:
        return 0

    compared = []

    def compare(value: object, protocol: type) -> bool:
        compared.append(value)
        return value is Door

    monkeypatch.setattr(_typehints, "implements_protocol", compare)
    remember_protocols()
    found = [_typehints.implements_protocol(value, Opener) for value in (Door, Wall, called) * 2]
    assert found == [True, False, False] * 2
    assert compared == [Door, Wall, called, called]
