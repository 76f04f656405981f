"""DMC and L3-Net: two processes learn what one learns from the doubled batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from lightning_modules import DMC, AudioVisual, L3Net
from tests._helpers.embedding_modules import trainer
from tests._helpers.two_processes import in_two_processes
from tests.lightning_modules.test_dmc import SMALL, Plain, clips
from unlabelled.data.datasets.clips import ShuffledShard
from unlabelled.losses import CorrespondenceLoss, MaxMargin, PairCrossEntropy

LOSSES: dict[str, CorrespondenceLoss | None] = {
    "all": MaxMargin(0.8),
    "hardest": MaxMargin(0.8, "hardest"),
    "one_random": MaxMargin(0.8, "one_random"),
    "contrastive": PairCrossEntropy(0.2),
    "frozen": MaxMargin(0.8),
    "l3": None,
}


class Clips(LightningDataModule):
    """Sixteen clips, of which some are of one video and some are silent."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        columns = clips(16)
        columns["index"] = torch.tensor([*range(12), 0, 1, 2, 3])
        columns["silent"] = torch.arange(16) % 5 == 1
        self.rows = [{name: part[i] for name, part in columns.items()} for i in range(16)]

    def __getitem__(self, key: Any) -> dict[str, Any]:
        return self.rows[key[0]]

    def __len__(self) -> int:
        return 16

    def train_dataloader(self) -> DataLoader[Any]:
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        shard = ShuffledShard(16, rank, world_size, self.batch_size)
        return DataLoader(self, self.batch_size, sampler=shard)


def learned(name: str, batch_size: int, **options: Any) -> dict[str, Any]:
    """Take four steps of plain SGD, and return the weights and what was logged last."""
    torch.manual_seed(0)
    loss = LOSSES[name]
    encoders = {
        "visual_encoder": Plain("image", trainable=name != "frozen"),
        "audio_encoder": Plain("audio", 8 if name == "all" else 12),
    }
    own: dict[str, Any] = {"clustering": SMALL, "loss": loss, "adapter_dim": 10 if name == "all" else None}
    cls: type[AudioVisual] = L3Net if loss is None else DMC
    module = cls(**encoders, **(own if loss else {}), optimizer=_sgd)
    run = trainer(max_epochs=2, **options)
    run.fit(module, datamodule=Clips(batch_size))
    logged = {key: float(value) for key, value in run.callback_metrics.items()}
    return {"weights": {key: value.clone() for key, value in module.state_dict().items()}, "logged": logged}


def _sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.5)


def _process(folder: str) -> Any:
    return {name: learned(name, 4, devices=2, strategy="ddp") for name in LOSSES}


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return in_two_processes(_process, tmp_path_factory.mktemp("pairs"))


@pytest.mark.parametrize("name", list(LOSSES))
def test_two_processes_learn_like_one(name: str, processes: list[dict[str, Any]]) -> None:
    alone, untrained = learned(name, 8), learned(name, 8, limit_train_batches=0)
    moved = [
        key for key, value in alone["weights"].items() if not torch.equal(value, untrained["weights"][key])
    ]
    assert any("encoders.image" in key for key in moved) == (name != "frozen")
    assert any("encoders.audio" in key for key in moved)
    for process in processes:
        found = process[name]
        for key, value in alone["weights"].items():
            torch.testing.assert_close(found["weights"][key], value, atol=2e-5, rtol=1e-4)
        for key in ("train/loss", *(["train/active_hinges"] if name in ("all", "hardest") else [])):
            assert found["logged"][key] == pytest.approx(alone["logged"][key], abs=1e-5)
