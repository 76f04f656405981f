"""Classification of sounds: two processes give what one gives, and fail together."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from callbacks import SoundSVMEvaluation
from tests.callbacks.embedding import trainer
from tests.callbacks.hearing import FoldedSounds, Listener, SoundData


def run(**options: Any) -> dict[str, float]:
    """Test with a bank and with folds; return all scores."""
    scores = {}
    for name, data in (("bank", SoundData()), ("folds", FoldedSounds())):
        data.splits["test"].replaced[[1, 3]] = 0
        callback = SoundSVMEvaluation((2, 2), [1e-3, 1e-1])
        (each,) = trainer(callback, **options).test(Listener(), data, verbose=False)
        scores |= {f"{name} {key}": value for key, value in each.items()}
    return scores


def _process(rank: int, folder: str, port: int) -> None:
    torch.set_num_threads(1)
    os.environ |= {  # as torchrun sets them
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    options = {"devices": 2, "strategy": "ddp"}
    torch.save(run(**options), f"{folder}/{rank}.pt")
    data = SoundData()
    data.splits["train"].labels[data.splits["train"].labels == 2] = 1
    with pytest.raises((ValueError, RuntimeError)[rank], match="no training recording"):  # both know why
        trainer(SoundSVMEvaluation(), **options).test(Listener(), data, verbose=False)


def test_two_processes_classify_like_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.set_forkserver_preload([__name__])
    torch.multiprocessing.start_processes(
        _process, (str(tmp_path), port), nprocs=2, start_method="forkserver"
    )
    alone = run()
    assert {"bank test/sound_svm_cost", "folds test/sound_svm_accuracy_std"} < set(alone)
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt") == pytest.approx(alone)
