"""Fixtures of all tests: a tiny data set, written once, and a function that runs the command line."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest tests first, so that two processes end at about the same time."""
    items.sort(key=lambda item: not item.path.is_relative_to(ROOT / "tests" / "system"))


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Use one thread: tiny networks are slower with more, above all with other processes."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Seed every generator from the test's name: its numbers depend on no other test and no order of them."""
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # the global generator, which libraries use
    torch.manual_seed(seed)


@pytest.fixture(autouse=True)
def _nothing_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the files that were replaced in earlier tests, which would not be named again."""
    monkeypatch.setattr("unlabelled.data.datasets.samples._named", set())


@pytest.fixture(autouse=True)
def _no_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the seed of earlier tests."""
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an embedded data set of 9 classes with 4 training and 2 held-out clips each."""
    from unlabelled.data.synthetic.embedded import write_embedded

    root = tmp_path_factory.mktemp("embedded")
    write_embedded(
        str(root), seed=0, train_per_class=4, test_per_class=2, duration=1.5, size=(64, 48), progress=False
    )
    return root


@pytest.fixture(scope="session")
def tiny_overlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an overlay for configurations of video and audio: tiny encoders, tiny clips, CPU."""
    path = tmp_path_factory.mktemp("overlay") / "tiny.yaml"
    path.write_text(TINY)
    return path


TINY = """
model:
  init_args:
    video_encoder: {class_path: unlabelled.encoders.SmallVideoEncoder, init_args: {width: 2}}
    audio_encoder: {class_path: unlabelled.encoders.SmallAudioEncoder, init_args: {width: 2}}
    num_heads: 2
    hidden_dim: 8
data:
  init_args:
    batch_size: 6
    eval_batch_size: 8
    num_workers: 0
    index_workers: 0
    pipeline:
      class_path: unlabelled.pipelines.AudioVisualPipeline
      init_args:
        num_frames: 4
        fps: 4.0
        crop: 16
        train_short_side: [20, 20]
        eval_short_side: 20
        audio:
          class_path: unlabelled.transforms.LogMel
          init_args: {sample_rate: 8000, num_filters: 16, num_frames: 49}
trainer:
  accelerator: cpu
  devices: 1
  num_nodes: 1
  strategy: auto
  sync_batchnorm: false
  precision: 32-true
  max_epochs: 2
  check_val_every_n_epoch: 1
  enable_progress_bar: false
  log_every_n_steps: 1
"""


def environment() -> dict[str, str]:
    """Return environment variables for child processes: one thread, no rank, compiled modules."""
    left_out = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}


def run_cli(*args: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run ``python cli.py`` in a process; a failure shows its output."""
    command = [sys.executable, "cli.py", *args]
    result = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=timeout
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-3000:]}\n{result.stderr[-6000:]}"
    return result
