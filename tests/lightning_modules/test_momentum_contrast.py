"""MoCo v2, ReSSL and SCE in a plain Trainer: which views meet, what the callbacks do, and when."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning import Callback, LightningDataModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.utils.data import DataLoader

from callbacks.training.queue_update import QueueUpdate
from callbacks.training.target_update import TargetUpdate
from lightning_modules import SCE, MoCoV2, MomentumContrast, ReSSL
from unlabelled.encoders import SmallImageEncoder
from unlabelled.losses import Contrast, info_nce, relational, soft_contrastive
from unlabelled.nn.batchnorm import ShuffleBatchNorm
from unlabelled.nn.heads import MLP

SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
HEAD: Callable[[int], MLP] = partial(MLP, hidden_dim=8, out_dim=4)


def _method(cls: type[MomentumContrast] = SCE, **kwargs: Any) -> MomentumContrast:
    torch.manual_seed(0)
    options: dict[str, Any] = {"encoder": SmallImageEncoder(2), "optimizer": SGD, "projector": HEAD}
    return cls(**{**options, "queue_size": 32, **kwargs})


class Views(LightningDataModule):
    """The same eight samples of ``sizes`` views, four at a time, in order."""

    batch_size = 4

    def __init__(self, sizes: tuple[int, ...] = (16, 16), batches: int = 2) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.samples = [
            {"views": [torch.randn(3, size, size, generator=generator) for size in sizes]}
            for _ in range(4 * batches)
        ]

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.samples, batch_size=4)


def _trainer(folder: Path, *callbacks: Callback, **kwargs: Any) -> Trainer:
    options: dict[str, Any] = {"max_epochs": 2, "accelerator": "cpu", "logger": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(default_root_dir=folder, callbacks=list(callbacks), **{**options, **quiet, **kwargs})


class Recorder(SCE):
    """Remembers what was compared."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def contrast(self, query: Tensor, key: Tensor, queue: Tensor, own_rows: Tensor | None = None) -> Contrast:
        self.seen.append((query.detach(), key, queue.clone()))
        return super().contrast(query, key, queue, own_rows)

    def log(self, *args: Any, **kwargs: Any) -> None:
        """There is no trainer."""


@pytest.mark.parametrize(
    ("symmetric", "sizes", "pairs"),
    [
        (False, (16, 16), [(0, 1)]),
        (False, (16, 16, 16), [(0, 1), (0, 2)]),
        (True, (16, 16), [(0, 1), (1, 0)]),
        (True, (16, 16, 12, 8, 8, 8), [*((0, o) for o in range(1, 6)), *((1, o) for o in (0, 2, 3, 4, 5))]),
    ],
)
def test_which_views_meet(symmetric: bool, sizes: tuple[int, ...], pairs: list[tuple[int, int]]) -> None:
    method = _method(Recorder, symmetric=symmetric, predictor=HEAD)
    assert isinstance(method, Recorder)
    method.eval()  # so that views can be embedded again, with the same statistics
    views = [torch.randn(4, 3, size, size) for size in sizes]
    out = method.training_step({"views": views}, 0)
    assert len(method.seen) == len(pairs)
    losses = []
    for (target, online), (query, key, queue) in zip(pairs, method.seen, strict=True):
        head = method.predictor(method.projector(method.encoders["image"](views[online])))
        torch.testing.assert_close(query, F.normalize(head, dim=1))
        torch.testing.assert_close(key, F.normalize(method.target(views[target]), dim=1))
        assert torch.equal(queue, method.queues["image"].rows)
        losses.append(soft_contrastive(query, key, queue).loss)
    torch.testing.assert_close(out["loss"], torch.stack(losses).mean())
    assert len(out["keys"]["image"]) == (2 if symmetric else 1)


def test_the_methods_differ_in_the_target_distribution_only() -> None:
    q, k, queue = (F.normalize(torch.randn(n, 4), dim=1) for n in (3, 3, 9))
    assert torch.equal(
        _method(MoCoV2, temperature=0.3).contrast(q, k, queue).loss, info_nce(q, k, queue, 0.3).loss
    )
    ressl = _method(ReSSL, temperature=0.3, target_temperature=0.1)
    assert torch.equal(ressl.contrast(q, k, queue).loss, relational(q, k, queue, 0.3, 0.1).loss)
    sce = _method(SCE, temperature=0.3, target_temperature=0.1, coefficient=0.2, positive_slot="zero_logit")
    expected = soft_contrastive(q, k, queue, 0.3, 0.1, 0.2, "zero_logit").loss
    assert torch.equal(sce.contrast(q, k, queue).loss, expected)
    with pytest.raises(ValueError, match=r"coefficient=1.5 must be from 0 to 1"):
        _method(SCE, coefficient=1.5)


def test_terms_may_have_weights_of_their_own() -> None:
    q, k, queue = (F.normalize(torch.randn(n, 4), dim=1) for n in (3, 3, 9))
    found = _method(SCE, temperature=0.1, target_temperature=0.05, relational=0.5, ceiling=0.0)
    expected = 0.5 * info_nce(q, k, queue, 0.1).loss + 0.5 * relational(q, k, queue, 0.1, 0.05).loss
    torch.testing.assert_close(found.contrast(q, k, queue).loss, expected)
    with pytest.raises(ValueError, match=r"ceiling=-1.0 must be at least 0"):
        _method(SCE, ceiling=-1.0)


@pytest.mark.parametrize("symmetric", [False, True])
def test_keys_of_the_batch_are_compared_with_but_not_the_own_one(symmetric: bool) -> None:
    method = _method(SCE, symmetric=symmetric, use_keys=True).eval()
    method.log = lambda *_, **__: None  # type: ignore[method-assign]
    views = [torch.randn(4, 3, 16, 16) for _ in range(2)]
    out = method.training_step({"views": views}, 0)
    queue, losses = method.queues["image"].rows, []
    assert isinstance(queue, Tensor)
    for target, online in [(0, 1), (1, 0)] if symmetric else [(0, 1)]:
        query, key = method._queries(views[online]), method._keys(views[target])
        for row in range(4):  # each sample alone, its queue without its own key
            others = torch.cat([key[:row], key[row + 1 :], queue])
            losses.append(soft_contrastive(query[row : row + 1], key[row : row + 1], others).loss)
    torch.testing.assert_close(out["loss"], torch.stack(losses).mean())


class Watch(Callback):
    """Notes the target's and the online weights, the queue and the keys after each batch."""

    def __init__(self) -> None:
        self.target: list[Tensor] = []
        self.online: list[Tensor] = []
        self.queue: list[Tensor] = []
        self.keys: list[Tensor] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        online, target = pl_module.target_pairs()[0]
        self.target.append(next(target.parameters()).clone())
        self.online.append(next(online.parameters()).detach().clone())
        self.queue.append(pl_module.queues["image"].rows.clone())
        self.keys.append(torch.cat(outputs["keys"]["image"]))


def test_queue_and_target_move_once_per_step(tmp_path: Path) -> None:
    watch, method = Watch(), _method(queue_size=32, symmetric=True)
    start = next(method.target.parameters()).clone()
    trainer = _trainer(tmp_path, QueueUpdate(), TargetUpdate(0.5), watch)
    trainer.fit(method, Views())
    for step, momentum in enumerate([0.5, 0.625, 0.875, 1.0]):  # (1 + cos(pi * step / 3)) / 2
        before = watch.target[step - 1] if step else start
        expected = momentum * before + (1 - momentum) * watch.online[step]
        torch.testing.assert_close(watch.target[step], expected)
    assert torch.equal(watch.queue[-1], torch.cat(watch.keys))
    assert trainer.callback_metrics["train/momentum"] == 1.0


def test_accumulated_batches_are_one_step(tmp_path: Path) -> None:
    watch, method = Watch(), _method(queue_size=16)
    first = method.queues["image"].rows.clone()
    update = TargetUpdate(0.5)
    _trainer(tmp_path, QueueUpdate(), update, watch, accumulate_grad_batches=2).fit(method, Views(batches=4))
    assert update.updates == 4
    assert torch.equal(watch.queue[0], first)  # not before the step
    assert torch.equal(watch.target[0], watch.online[0])
    assert torch.equal(watch.queue[1][:8], torch.cat(watch.keys[:2]))
    assert torch.equal(watch.queue[-1], torch.cat(watch.keys[-4:]))
    assert not torch.equal(watch.target[1], watch.target[0])


def test_the_optimiser_has_no_target(tmp_path: Path) -> None:
    method = _method()
    trainer = _trainer(tmp_path, QueueUpdate(), TargetUpdate())
    trainer.fit(method, Views())
    trained = sum(p.numel() for group in trainer.optimizers[0].param_groups for p in group["params"])
    assert trained == sum(
        p.numel() for part in (method.encoders, method.projector) for p in part.parameters()
    )
    assert method._ddp_params_and_buffers_to_ignore == ["queues.image.rows", "queues.image.pointer"]


@pytest.mark.parametrize(
    ("callbacks", "missing"), [((TargetUpdate(),), "QueueUpdate"), ((QueueUpdate(),), "TargetUpdate")]
)
def test_a_missing_callback_is_named(callbacks: tuple[Callback, ...], missing: str, tmp_path: Path) -> None:
    with pytest.raises(
        MisconfigurationException, match=rf"SCE needs callbacks\.{missing}; add .*`- class_path"
    ):
        _trainer(tmp_path, *callbacks).fit(_method(), Views())


def test_a_queue_that_steps_do_not_fill_evenly(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"30 rows, no multiple of the 4 keys .*queue_size to 28 or 32"):
        _trainer(tmp_path, QueueUpdate(), TargetUpdate()).fit(_method(queue_size=30), Views())
    method = _method(queue_size=6)
    watch = Watch()
    _trainer(tmp_path, QueueUpdate(allow_uneven=True), TargetUpdate(), watch).fit(method, Views())
    keys = torch.cat(watch.keys)  # 16 rows went into 6: the last 6 are there, from slot 10 % 6 on
    assert torch.equal(method.queues["image"].rows, keys[10:].roll(4, 0))


def test_a_new_target_equals_an_online_network_from_a_checkpoint(tmp_path: Path) -> None:
    other = SmallImageEncoder(2)
    torch.save(
        {"state_dict": {f"encoders.image.{n}": v for n, v in other.state_dict().items()}}, tmp_path / "a"
    )
    method, watch = _method(encoder_checkpoint=str(tmp_path / "a")), Watch()
    _trainer(tmp_path, QueueUpdate(), TargetUpdate(1.0), watch, max_steps=1).fit(method, Views())
    assert torch.equal(watch.target[0], next(other.parameters()))


def test_shuffled_batchnorm_trains(tmp_path: Path) -> None:
    method = _method(shuffle_bn=ShuffleBatchNorm(groups=2))
    _trainer(tmp_path, QueueUpdate(), TargetUpdate()).fit(method, Views())
    assert all(torch.isfinite(parameter).all() for parameter in method.parameters())


def test_shuffled_and_synchronised_batchnorm_exclude_each_other() -> None:
    method = torch.nn.SyncBatchNorm.convert_sync_batchnorm(_method(shuffle_bn=ShuffleBatchNorm()))
    with pytest.raises(MisconfigurationException, match="shuffle_bn has no effect under SyncBatchNorm"):
        method.on_train_start()


def test_blunt_targets_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"target_temperature=0.2 is above temperature=0.1"):
        _method(SCE, temperature=0.1, target_temperature=0.2)


def test_one_view_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="SCE needs at least two views of a sample, got 1"):
        _trainer(tmp_path, QueueUpdate(), TargetUpdate()).fit(_method(), Views(sizes=(16,)))


def test_no_end_no_schedule(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"set --trainer.max_epochs or"):
        _trainer(tmp_path, QueueUpdate(), TargetUpdate(), max_epochs=-1).fit(_method(), Views())
    with pytest.raises(ValueError, match=r"momentum=1.2 must be from 0 to 1"):
        TargetUpdate(1.2)
