"""Run a function in several processes with gloo, as with torchrun."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing.spawn import start_processes

from unlabelled.seeding import SEED_VARIABLE


def in_two_processes(work: Callable[[str], Any], folder: Path) -> list[Any]:
    """Call ``work(folder)`` in two processes at the same time, and return both results.

    See :func:`in_processes`.
    """
    return in_processes(work, folder, 2)


def in_processes(work: Callable[[str], Any], folder: Path, number: int) -> list[Any]:
    """Call ``work(folder)`` in some processes at the same time, and return all results.

    Args:
        work: A function at the top level of a module, which may run Lightning with ``devices=number,
            strategy="ddp"``.
        folder: A folder for the files of the processes.
        number: Number of processes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The import of torch takes seconds: the server imports once and forks the processes.
    torch.multiprocessing.set_forkserver_preload([work.__module__])
    start_processes(_process, (work, str(folder), port, number), nprocs=number, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(number)]


def _process(rank: int, work: Callable[[str], Any], folder: str, port: int, number: int) -> None:
    torch.set_num_threads(1)
    os.environ.pop(SEED_VARIABLE, None)  # the server has the environment of the test that started it
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(number),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    torch.save(work(folder), f"{folder}/{rank}.pt")
