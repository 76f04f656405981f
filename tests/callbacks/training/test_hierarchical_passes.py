"""Variants of the clustering pass, with a method that prepares the first scores."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from lightning import Callback, LightningDataModule
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from callbacks import (
    BatchNormWarmup,
    ClusteringPass,
    DivergenceChecks,
    FixedClusteringPass,
    RememberedClusteringPass,
    TrainingModeClusteringPass,
)
from callbacks.shared.rows import RowCollection
from lightning_modules import SHHC
from tests._helpers.embedding_modules import trainer
from unlabelled.clustering import Every, HierarchicalClusterer, SinkhornClusterer
from unlabelled.data.datasets.samples import NOT_REPLACED, DrawnShard, OrderedShard
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder
from unlabelled.hierarchy import PostClustering, TripletEmbedding

SIZE, K, H, DIM = 18, 3, 2, 2


class Pairs(Dataset[dict[str, Tensor]]):
    """Images and audio, which differ slightly between epochs."""

    def __init__(self, epoch: int) -> None:
        base, change = (torch.Generator().manual_seed(seed) for seed in (0, 100 + epoch))
        self.image, self.audio = (
            torch.randn(SIZE, channels, 8, 8, generator=base)
            + 0.3 * torch.randn(SIZE, channels, 8, 8, generator=change)
            for channels in (3, 1)
        )

    def __len__(self) -> int:
        return SIZE

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        row = key[0]
        sample = {"image": self.image[row], "audio": self.audio[row], "index": torch.tensor(row)}
        return {**sample, "replaced": torch.tensor(NOT_REPLACED)}


class PairData(LightningDataModule):
    """Record the epochs of its passes."""

    num_train_samples, train_fingerprint = SIZE, "pairs"

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[int] = []

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(Pairs(0), batch_size=6, sampler=OrderedShard(SIZE, 0, 1))

    def pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        self.passes.append(epoch)
        return DataLoader(Pairs(epoch), batch_size=6, sampler=OrderedShard(SIZE, 0, 1))

    def shuffled_pass_dataloader(self, epoch: int) -> DataLoader[Any]:
        self.passes.append(epoch)
        shard = DrawnShard(SIZE, 0, 1)
        shard.pass_epoch = epoch
        return DataLoader(Pairs(0), batch_size=6, sampler=shard)

    fixed_pass_dataloader = train_dataloader


def shhc() -> SHHC:
    torch.manual_seed(0)
    encoders = SmallImageEncoder(width=4), SmallAudioEncoder(width=4)
    return SHHC(*encoders, partial(torch.optim.SGD, lr=0.01), K, H, DIM, hidden_dim=8)


def clusterer() -> HierarchicalClusterer:
    return HierarchicalClusterer(SinkhornClusterer(), PostClustering(TripletEmbedding(dim=DIM, epochs=0)))


def check(method: SHHC) -> None:
    """Every clustering has labels, a tree, and the leaves of that tree as prototypes."""
    for head, tree in enumerate(method.hierarchies):
        assert tree is not None
        torch.testing.assert_close(method.prototypes[head], tree.prototypes(), equal_nan=True)
        counts = torch.bincount(method.pseudo_labels.table[:, head], minlength=K)
        assert counts[tree.clusters].tolist() == tree.counts.tolist()
        assert counts.sum() == SIZE


def test_hierarchies_of_remembered_features(monkeypatch: pytest.MonkeyPatch) -> None:
    method, data = shhc(), PairData()
    callback = RememberedClusteringPass(clusterer(), Every(epochs=1))
    followed = []
    use_assignment = method.use_assignment
    used = lambda head, *rest: followed.append(head) or use_assignment(head, *rest)  # noqa: E731
    monkeypatch.setattr(method, "use_assignment", used)
    trainer(callback, max_epochs=3).fit(method, datamodule=data)
    assert len(data.passes) == 1
    assert [sorted(followed[n : n + 2 * H]) for n in (0, 4, 8)] == 3 * [[0, 1, 2, 3]]
    assert len(followed) == 12
    check(method)


@pytest.mark.parametrize("accumulated", [1, 2])
def test_features_of_a_step_that_is_left_out_are_not_clustered(
    accumulated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, clustered = shhc(), []
    step, cluster = method.training_step, RememberedClusteringPass._cluster

    def broken(batch: Any, batch_idx: int) -> Any:
        is_broken = batch_idx == 1
        if is_broken:
            batch = {**batch, "image": batch["image"] * 1e38}
        out = step(batch, batch_idx)
        return {**out, "loss": out["loss"] * (torch.nan if is_broken else 1)}

    def counted(self: Any, module: Any, collection: RowCollection, *rest: Any, **more: Any) -> None:
        rows = copy.deepcopy(collection).finish()
        clustered.append((len(rows), rows.left_out))
        cluster(self, module, collection, *rest, **more)

    monkeypatch.setattr(method, "training_step", broken)
    monkeypatch.setattr(RememberedClusteringPass, "_cluster", counted)
    callback = RememberedClusteringPass(clusterer(), Every(epochs=1))
    checks = DivergenceChecks("skip", num_samples=0)
    trainer(checks, callback, max_epochs=2, accumulate_grad_batches=accumulated).fit(
        method, datamodule=PairData()
    )
    left_out = 6 * accumulated
    assert clustered == [
        (SIZE, 0),
        (SIZE - left_out, left_out),
    ]  # before training, without the step of the batch


def test_groups_of_hierarchies_share_one_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    method, data = shhc(), PairData()
    prepared = []
    prepare = method.prepare_clustering
    monkeypatch.setattr(
        method, "prepare_clustering", lambda *args: prepared.append(args[1]) or prepare(*args)
    )
    callback = ClusteringPass(clusterer(), Every(epochs=1), groups=2)
    trainer(callback, max_epochs=2).fit(method, datamodule=data)
    assert len(set(data.passes)) == 4
    assert prepared == [0, 1]
    check(method)


class TwoCrops(Pairs):
    """Two crops of each sample."""

    def __getitem__(self, key: Any) -> dict[str, Tensor]:
        sample = super().__getitem__(key)
        views = {name: torch.stack([sample[name], sample[name].flip(-1)]) for name in ("image", "audio")}
        return {**sample, **views}


def test_several_crops_of_a_sample_make_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    method, data, banks = shhc(), PairData(), []
    loader = DataLoader(TwoCrops(0), batch_size=6, sampler=OrderedShard(SIZE, 0, 1))
    monkeypatch.setattr(data, "fixed_pass_dataloader", lambda: loader)
    prepare = method.prepare_clustering
    monkeypatch.setattr(
        method,
        "prepare_clustering",
        lambda features, *rest: banks.append(features) or prepare(features, *rest),
    )
    fresh = shhc().eval()
    trainer(FixedClusteringPass(clusterer(), Every(epochs=1)), max_epochs=1).fit(method, datamodule=data)
    (features,) = banks
    with torch.no_grad():
        views = [fresh.embed(part) for part in (_whole(Pairs(0)), _whole(Pairs(0), flipped=True))]
    for name, feature in features.items():
        torch.testing.assert_close(feature, (views[0][name] + views[1][name]) / 2, atol=1e-5, rtol=1e-4)
    check(method)


def _whole(data: Pairs, flipped: bool = False) -> dict[str, Tensor]:
    return {
        name: getattr(data, name).flip(-1) if flipped else getattr(data, name) for name in ("image", "audio")
    }


def _clones(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


def test_a_pass_in_training_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features depend on the statistics of random batches; the state of the method is restored."""
    method, data, banks = shhc(), PairData(), []
    prepare = method.prepare_clustering

    def keep(features: dict[str, Tensor], *rest: Any) -> None:
        banks.append((_clones(features), _clones(method.state_dict()), method.training))
        prepare(features, *rest)

    monkeypatch.setattr(method, "prepare_clustering", keep)
    before = _clones(method.state_dict())
    callback = TrainingModeClusteringPass(clusterer(), Every(epochs=1))
    trainer(callback, max_epochs=1, limit_train_batches=1).fit(method, datamodule=data)
    features, state, training = banks[0]
    assert not training  # scores are computed in evaluation mode
    for name, value in before.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0, equal_nan=True)

    shard = DrawnShard(SIZE, 0, 1)
    shard.pass_epoch = -1
    rows = torch.tensor([key.row for key in shard])
    assert sorted(rows.tolist()) == list(range(SIZE)) != rows.tolist()
    whole, fresh = _whole(Pairs(0)), shhc().train()
    with torch.no_grad():
        parts = [fresh.embed({name: value[part] for name, value in whole.items()}) for part in rows.split(6)]
    for name, feature in features.items():
        torch.testing.assert_close(feature, torch.cat([part[name] for part in parts]))
    check(method)


def test_a_pass_in_training_mode_refuses_statistics_of_all_processes() -> None:
    method = torch.nn.SyncBatchNorm.convert_sync_batchnorm(shhc())
    callback = TrainingModeClusteringPass(clusterer(), Every(epochs=1))
    with pytest.raises(MisconfigurationException, match="sync_batchnorm: true"):
        callback.on_train_start(None, method)


@pytest.mark.parametrize(
    ("limits", "passes"),
    [
        ({"max_epochs": 4}, [0, 5, 10, 15]),
        ({"max_epochs": 4, "max_steps": 10}, [0, 5]),
        ({"max_steps": 12}, [0, 5, 10]),
    ],
)
def test_there_is_no_pass_at_the_end_of_the_run(
    limits: dict[str, int], passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, method, made = PairData(), shhc(), []
    monkeypatch.setattr(
        ClusteringPass, "_cluster", lambda self, module, *rest, **more: made.append(module.global_step)
    )
    callback = RememberedClusteringPass(SinkhornClusterer(), Every(steps=5))
    method.pseudo_labels.table = torch.zeros(
        data.num_train_samples, method.num_clusterings, dtype=torch.int64
    )
    monkeypatch.setattr(
        data, "train_dataloader", lambda: DataLoader(Pairs(0), 3, sampler=OrderedShard(15, 0, 1))
    )
    run = trainer(callback, **{"max_epochs": -1, **limits})
    run.fit(method, datamodule=data)
    assert made == passes


def test_a_run_without_an_end_is_refused() -> None:
    endless = trainer(ClusteringPass(clusterer(), Every(epochs=1)), max_epochs=-1)
    with pytest.raises(MisconfigurationException, match="set one of them"):
        endless.fit(shhc(), datamodule=PairData())


class Dropped(SmallImageEncoder):
    """With dropout."""

    def pool(self, maps: Tensor) -> Tensor:
        return torch.nn.functional.dropout(super().pool(maps), 0.5, self.training)


class Record(Callback):
    """Keep the running mean of a head at the first step."""

    found: Tensor | None = None

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        if self.found is None:
            self.found = pl_module.heads["image"].norm.running_mean.clone()


@pytest.mark.parametrize(
    "callback", [TrainingModeClusteringPass(clusterer(), Every(epochs=1)), BatchNormWarmup()], ids=type
)
def test_dropout_follows_from_the_seed_and_not_from_what_loaders_draw(
    callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterate = DataLoader.__iter__

    def found(seed: str, draws: int) -> Tensor:
        monkeypatch.setenv("PL_GLOBAL_SEED", seed)
        method, banks, record = shhc(), [], Record()
        encoder = Dropped(width=4)
        encoder.load_state_dict(method.encoders["image"].state_dict())
        method.encoders["image"] = encoder
        prepare = method.prepare_clustering
        monkeypatch.setattr(
            method,
            "prepare_clustering",
            lambda bank, *rest: banks.append(bank["image"]) or prepare(bank, *rest),
        )
        # Whether a loader draws a seed depends on whether it starts processes.
        monkeypatch.setattr(DataLoader, "__iter__", lambda self: (torch.rand(draws), iterate(self))[1])
        torch.rand(draws)
        in_a_pass = isinstance(callback, ClusteringPass)
        other = [] if in_a_pass else [ClusteringPass(clusterer(), Every(epochs=1))]
        run = trainer(copy.deepcopy(callback), *other, record, max_epochs=1, limit_train_batches=1)
        run.fit(method, datamodule=PairData())
        assert record.found is not None
        return banks[0] if in_a_pass else record.found

    assert torch.equal(found("1", 0), found("1", 5))
    assert not torch.equal(found("1", 0), found("2", 0))
