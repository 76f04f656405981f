"""Several processes on the loopback: the same labels for the same weights as one process."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import cli
from tests.conftest import ROOT, environment, run_cli
from tests.system.commands import command, load


@pytest.fixture(scope="module")
def options() -> list[str]:
    """One step: its pass clusters with the initial weights, which all runs share.

    Without BatchNorm warm-up: without SyncBN its statistics are those of each process's smaller batches.
    """
    return ["--trainer.max_steps=1", "--model.init_args.num_clusters=9"]


@pytest.fixture(scope="module")
def alone(
    tiny_root: Path, tiny_overlay: Path, options: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("alone")
    assert cli.main(command("fit", tiny_root, tiny_overlay, out, *options, warmup_batches=0)) == 0
    return out


def test_two_devices_give_the_labels_of_one(
    tiny_root: Path, tiny_overlay: Path, options: list[str], alone: Path, tmp_path: Path
) -> None:
    two = ["--config=configs/trainer/cpu_ddp2.yaml", "--data.init_args.batch_size=3"]
    run_cli(*command("fit", tiny_root, tiny_overlay, tmp_path, *two, *options, warmup_batches=0))
    _assert_same_labels(load(tmp_path), load(alone))


def test_two_nodes_give_the_labels_of_one(
    tiny_root: Path, tiny_overlay: Path, options: list[str], alone: Path, tmp_path: Path
) -> None:
    two = ["--trainer.strategy=ddp", "--trainer.num_nodes=2", "--data.init_args.batch_size=3"]
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *two, *options, warmup_batches=0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    address = ["--master-addr=127.0.0.1", f"--master-port={port}"]
    nodes = [
        subprocess.Popen(
            [*launch, *address, f"--node-rank={rank}", "cli.py", *arguments],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [node.communicate(timeout=240)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs[0][-4000:]
    _assert_same_labels(load(tmp_path), load(alone))


def _assert_same_labels(many: dict[str, torch.Tensor], one: dict[str, torch.Tensor]) -> None:
    assert one["pseudo_labels"].unique().numel() > 1
    assert torch.equal(many["pseudo_labels"], one["pseudo_labels"])
