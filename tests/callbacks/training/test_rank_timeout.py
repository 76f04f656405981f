"""The limit on waiting reaches the process group, whatever its backend; no GPU is needed for this."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import DistBackendError

from callbacks import RankTimeout
from callbacks.training import rank_timeout
from tests._helpers.embedding_modules import trainer

NCCL = (
    "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, "
    "NumelOut=1, Timeout(ms)=3000) ran for 3010 milliseconds before timing out."
)


@pytest.mark.parametrize("backend", ["nccl", "gloo"])
def test_the_limits_are_those_of_the_process_group(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: dict[str, Any] = {}
    monkeypatch.setattr(
        "torch.distributed.init_process_group", lambda name, **options: begun.update(options, name=name)
    )
    strategy = DDPStrategy(process_group_backend=backend)
    limit = RankTimeout(seconds=3, first_seconds=7)
    run = trainer(limit, devices=2, strategy=strategy)
    limit.prepare(run)
    strategy.setup_distributed()
    assert (begun["name"], begun["timeout"]) == (backend, timedelta(seconds=7))
    later: list[timedelta] = []
    groups: list[dict[str, Any]] = []
    monkeypatch.setattr(rank_timeout, "world_size", lambda: 2)
    monkeypatch.setattr(rank_timeout, "_set_pg_timeout", later.append)
    monkeypatch.setattr("torch.distributed.new_group", lambda **options: groups.append(options) or "group")
    for _ in range(2):
        limit.on_train_start(run, run.lightning_module)
    assert later == [timedelta(seconds=3)]
    assert [each["backend"] for each in groups] == ["gloo"]  # the only one with a monitored barrier


def test_the_error_of_nccl_is_one_of_waiting() -> None:
    assert rank_timeout._is_timeout(DistBackendError(NCCL))
    assert not rank_timeout._is_timeout(DistBackendError("NCCL error: unhandled cuda error"))
