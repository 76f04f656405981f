"""Two processes with gloo, as torchrun starts them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def in_two_processes(work: Callable[[str], Any], folder: Path) -> list[Any]:
    """Call ``work(folder)`` in two processes at a time, and return what each of them gave.

    Args:
        work: A function of a module; Lightning's ``devices=2, strategy="ddp"`` finds its place in it.
        folder: For what the processes write.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Importing torch and its friends takes seconds: the server does it once, and forks the processes.
    torch.multiprocessing.set_forkserver_preload([work.__module__])
    torch.multiprocessing.start_processes(
        _process, (work, str(folder), port), nprocs=2, start_method="forkserver"
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def _process(rank: int, work: Callable[[str], Any], folder: str, port: int) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    torch.save(work(folder), f"{folder}/{rank}.pt")
