"""Run a function in several processes with gloo, as with torchrun."""

from __future__ import annotations

import contextlib
import json
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


def cli_in_processes(arguments: list[str], folder: Path, number: int, nodes: int = 1) -> list[int]:
    """Run ``python cli.py`` in some processes at the same time, as with torchrun; return the exit codes.

    What a process prints is in ``RANK.txt`` of the folder.

    Args:
        arguments: The command line.
        folder: A folder for the files of the processes; made if there is none.
        number: Number of processes of all nodes.
        nodes: Number of nodes; each has as many processes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arguments.json").write_text(json.dumps(arguments))
    return in_processes(_command_line, folder, number, nodes)


def _command_line(folder: str) -> int:
    import cli

    arguments = json.loads(Path(folder, "arguments.json").read_text())
    path = Path(folder, f"{os.environ['RANK']}.txt")
    with path.open("w") as output, contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        return cli.main(arguments)


def in_processes(work: Callable[[str], Any], folder: Path, number: int, nodes: int = 1) -> list[Any]:
    """Call ``work(folder)`` in some processes at the same time, and return all results.

    Args:
        work: A function at the top level of a module, which may run Lightning with ``devices=number,
            strategy="ddp"``.
        folder: A folder for the files of the processes.
        number: Number of processes of all nodes.
        nodes: Number of nodes; each has as many processes.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Imports take seconds: the server, which is started once, has what most processes need and forks them.
    torch.multiprocessing.set_forkserver_preload(["cli", work.__module__])
    arguments = (work, str(folder), port, number, number // nodes)
    start_processes(_process, arguments, nprocs=number, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(number)]


def _process(
    rank: int, work: Callable[[str], Any], folder: str, port: int, number: int, per_node: int
) -> None:
    torch.set_num_threads(1)
    os.environ.pop(SEED_VARIABLE, None)  # the server has the environment of the test that started it
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank % per_node),
        "GROUP_RANK": str(rank // per_node),
        "WORLD_SIZE": str(number),
        "LOCAL_WORLD_SIZE": str(per_node),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "test",
    }
    torch.save(work(folder), f"{folder}/{rank}.pt")
