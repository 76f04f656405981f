"""Imports of the command line."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT, environment

SCIPY = ("scipy.cluster", "scipy.ndimage", "scipy.optimize", "scipy.signal", "scipy.sparse", "scipy.spatial")
LATE = (*SCIPY, "sklearn", "pytorch_optimizer", "tensorboard", "torchaudio", "faiss", "decord")
LINES = f"""
import sys, cli
print(sorted(set({LATE!r}) & sys.modules.keys()))
import scipy.signal
print(callable(scipy.signal.windows.hann), hasattr(scipy.signal, "butter"))
from unlabelled.optim import LARS
print(LARS.__module__)
from jsonargparse._typehints import implements_protocol
from unlabelled.clustering.base import Clusterer
print([implements_protocol(cli.CLI, Clusterer) for _ in range(2)], implements_protocol.cache_info().hits)
"""


def test_packages_that_a_run_may_not_need_are_imported_late() -> None:
    """Together they took longer than torch; and the stand-in for ``scipy.signal`` must be gone.

    A class and a Protocol are compared once.
    """
    output = subprocess.run(
        [sys.executable, "-c", LINES], cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
    ).stdout
    assert output.splitlines() == ["[]", "True True", "unlabelled.lars", "[False, False] 1"]
