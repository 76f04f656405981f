"""SeLa, DeepCluster, XDC's siblings, DeepCluster-v2 and GDT in two processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks import ClusteringPass, FixedClusteringPass, RememberedClusteringPass
from lightning_modules import GDT, XDC, DeepClusterV2, SeLa
from tests._helpers.embedding_modules import trainer
from tests._helpers.tri_modal import norm_free
from tests._helpers.two_processes import in_two_processes
from tests.lightning_modules.test_dmc import Plain
from unlabelled.clustering import Every, KMeansClusterer, SinkhornClusterer
from unlabelled.clustering.pseudo_labels import UNLABELLED
from unlabelled.data.datasets.samples import NOT_REPLACED, OrderedShard, SampleKey, ShuffledShard
from unlabelled.nn.heads import MLP

SIZE, K, H = 22, 4, 2  # rows do not divide by the ranks' batches
SGD = partial(torch.optim.SGD, lr=0.01)
HEAD = partial(MLP, hidden_dim=16, out_dim=8)


class Samples(LightningDataModule):
    """Images and audio, and two views of each, a little different in every epoch."""

    num_train_samples, train_fingerprint = SIZE, "samples"

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        generator = torch.Generator().manual_seed(0)
        self.kinds = 3 * torch.randn(K, 1, 8, 8, generator=generator)

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        row, epoch, _ = key
        generator = torch.Generator().manual_seed(1000 * (epoch + 50) + row)

        def copy() -> dict[str, Tensor]:
            spectrogram = self.kinds[row % K] + 0.3 * torch.randn(1, 8, 8, generator=generator)
            return {"image": spectrogram.expand(3, -1, -1).contiguous(), "audio": spectrogram}

        copies = [[copy(), copy()], [copy(), copy()]]
        rows = {"index": torch.tensor(row), "replaced": torch.tensor(NOT_REPLACED)}
        return {**copy(), **rows, "views": copies}

    def train_dataloader(self) -> DataLoader[Any]:
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        shard = ShuffledShard(SIZE, rank, world_size, self.batch_size)
        return DataLoader(self, self.batch_size, sampler=shard)

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        shard = OrderedShard(SIZE, self.trainer.global_rank, self.trainer.world_size)
        shard.pass_epoch = epoch
        return DataLoader(self, self.batch_size, sampler=shard)

    shuffled_pass_dataloader = pass_dataloader

    def fixed_pass_dataloader(self) -> DataLoader[Any]:
        return self.pass_dataloader(0)


class Crops(Samples):
    """The views are of one modality."""

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        sample = super().__getitem__(key)
        return {**sample, "views": [sample["views"][0][0]["image"], sample["views"][0][1]["image"]]}


def sela() -> Any:
    method = SeLa(Plain("image"), SGD, K, H)
    return method, ClusteringPass(SinkhornClusterer(), Every(epochs=1)), Samples


def mdc() -> Any:
    method = XDC(Plain("image"), Plain("audio"), SGD, K, "both")
    return method, FixedClusteringPass(KMeansClusterer(restarts=5), Every(epochs=1)), Samples


def deep_cluster_v2() -> Any:
    method = norm_free(DeepClusterV2(Plain("image"), SGD, HEAD, K, H))
    clusterer = KMeansClusterer(iterations=10, spherical=True, restarts=20)
    return method, RememberedClusteringPass(clusterer, Every(epochs=1)), Crops


def gdt() -> Any:
    return norm_free(GDT(Plain("image"), Plain("audio"), SGD, HEAD)), None, Samples


METHODS: dict[str, Callable[[], Any]] = {
    "sela": sela,
    "mdc": mdc,
    "deep_cluster_v2": deep_cluster_v2,
    "gdt": gdt,
}


def learned(name: str, batch_size: int, **options: Any) -> dict[str, Any]:
    """Take three epochs of two steps, and return the weights, the labels and what was logged last."""
    torch.manual_seed(0)
    method, callback, data = METHODS[name]()
    assert isinstance(method, LightningModule)
    run = trainer(*([] if callback is None else [callback]), max_epochs=3, **options)
    run.fit(method, datamodule=data(batch_size))
    found = {key: value.clone() for key, value in method.state_dict().items()}
    if callback is not None:
        found["labels"] = method.pseudo_labels.table
    return {"found": found, "loss": float(run.callback_metrics["train/loss"])}


def _process(folder: str) -> Any:
    return {name: learned(name, 5, devices=2, strategy="ddp") for name in METHODS}


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return in_two_processes(_process, tmp_path_factory.mktemp("self-labelled"))


@pytest.mark.parametrize("name", list(METHODS))
def test_both_processes_have_the_same(name: str, processes: list[dict[str, Any]]) -> None:
    """Prototypes, new top layers and labels too, which no collective of DDP's sends around."""
    first, second = (process[name]["found"] for process in processes)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


@pytest.mark.parametrize("name", ["sela", "gdt"])
def test_two_processes_learn_like_one(name: str, processes: list[dict[str, Any]]) -> None:
    alone = learned(name, 10)
    for key, value in alone["found"].items():
        torch.testing.assert_close(processes[0][name]["found"][key], value, atol=2e-5, rtol=1e-4)
    losses = [process[name]["loss"] for process in processes]  # of each one's own half of the batch
    assert sum(losses) / 2 == pytest.approx(alone["loss"], abs=1e-5)


@pytest.mark.parametrize("name", ["mdc", "deep_cluster_v2"])
def test_two_processes_find_the_same_clusters(name: str, processes: list[dict[str, Any]]) -> None:
    """k-means starts from rows in the order of ranks, so that the clusters have other numbers.

    Rows that an epoch dropped have none: their last ones were numbers of other clusters.
    """
    dropped = SIZE % 10 if name == "deep_cluster_v2" else 0
    for found in (learned(name, 10)["found"], processes[0][name]["found"]):
        for labels in found["labels"].T:
            known = labels != UNLABELLED
            pairs = set(zip((torch.arange(SIZE) % K)[known].tolist(), labels[known].tolist(), strict=True))
            assert (len(pairs), int((~known).sum())) == (K, dropped)
