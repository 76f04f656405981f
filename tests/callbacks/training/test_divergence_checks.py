"""Runs that diverge or collapse are stopped or named, and others do not change."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

from callbacks import DivergenceChecks, QueueUpdate
from callbacks.training.collapse import collapsed_features, collapsed_queues, spread
from callbacks.training.divergence_checks import DivergedError
from tests._helpers.embedding_modules import trainer
from tests._helpers.learning_runs import CLUSTERS, Embedding, Predicting, StripeData
from tests._helpers.two_processes import in_two_processes
from unlabelled.batch import Batch
from unlabelled.nn.queue import FeatureQueue, FillingQueue

STEPS_PER_EPOCH = 6  # 48 rows in batches of 8


class Breaking(Predicting):
    """The loss, or the gradient alone, is not finite in some steps."""

    def __init__(self, *steps: int, what: str = "loss", value: float = torch.nan) -> None:
        super().__init__()
        self.steps, self.what, self.value = steps, what, value

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        if self.trainer.global_step in self.steps:
            if self.what == "loss":
                return loss * self.value
            weight = next(self.parameters())
            weight.register_post_accumulate_grad_hook(self._break)
        return loss

    def _break(self, weight: Tensor) -> None:
        if self.trainer.global_step in self.steps:
            assert weight.grad is not None
            weight.grad[0] = self.value


def fit(module: Any, checks: DivergenceChecks, *callbacks: Any, **options: Any) -> None:
    run = trainer(checks, *callbacks, **{"max_epochs": 2, "log_every_n_steps": 4, **options})
    run.fit(module, datamodule=StripeData())


def finite(module: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in module.state_dict().values())


def test_a_run_is_the_same_with_and_without_checks() -> None:
    weights, draws = [], []
    for callbacks in ([], [DivergenceChecks()], [DivergenceChecks("skip")]):
        module = Predicting()
        torch.manual_seed(5)
        trainer(*callbacks, max_epochs=3).fit(module, datamodule=StripeData())
        weights.append(module.state_dict())
        draws.append(torch.rand(4))
    for other in (1, 2):
        assert all(torch.equal(value, weights[other][name]) for name, value in weights[0].items())
        assert torch.equal(draws[0], draws[other])


@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_the_first_such_step_is_named_with_its_samples(what: str, value: float) -> None:
    module = Breaking(STEPS_PER_EPOCH + 2, STEPS_PER_EPOCH + 3, what=what, value=value)
    with pytest.raises(DivergedError) as error:
        fit(module, DivergenceChecks())
    text = str(error.value)
    assert (
        f"the {what} of step {STEPS_PER_EPOCH + 2} is not finite (epoch 1, batch 2, counted from 0: " in text
    )
    assert text.count("and 5 more") == 1
    assert "--divergence.on_divergence skip" in text


def test_skipped_steps_are_counted_and_the_run_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    module, checks = Breaking(1, 7, what="gradient"), DivergenceChecks("skip")
    with caplog.at_level(logging.WARNING):
        fit(module, checks)
    assert checks.skipped == 2
    assert finite(module)
    assert [record.message.split(" is not")[0] for record in caplog.records] == [
        "DivergenceChecks: the gradient of step 1",
        "DivergenceChecks: the gradient of step 7",
    ]


class Infinite(Predicting):
    """The loss of some batches is infinite, and its gradient is finite; zero gradients change no weight."""

    def __init__(self, *batches: int) -> None:
        super().__init__()
        self.batches = batches

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        return loss + torch.inf if batch_idx in self.batches else loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.rate)


class Changes(Callback):
    """The batches after which the weights are others."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.weights: list[Tensor] = []

    def on_train_batch_start(self, trainer: Any, pl_module: nn.Module, *_: Any) -> None:
        self.weights = [value.detach().clone() for value in pl_module.parameters()]

    def on_train_batch_end(
        self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        pairs = zip(self.weights, pl_module.parameters(), strict=True)
        if not all(torch.equal(*pair) for pair in pairs):
            self.batches.append(batch_idx)


@pytest.mark.parametrize(("accumulated", "changed"), [(1, [0, 1, 3, 4, 5]), (2, [1, 5])])
def test_a_step_is_left_out_if_the_loss_of_a_batch_alone_is_infinite(
    accumulated: int, changed: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    changes, checks = Changes(), DivergenceChecks("skip", num_samples=0)
    interval = {"log_every_n_steps": 3, "max_epochs": 1}  # read in the middle of a step, too
    with caplog.at_level(logging.WARNING):
        fit(Infinite(2), checks, changes, accumulate_grad_batches=accumulated, **interval)
    assert changes.batches == changed
    assert checks.skipped == 1
    (record,) = caplog.records
    step = 2 // accumulated
    assert f"the loss of step {step} is not finite (epoch 0, batch 2, counted from 0: " in record.message


def test_the_batches_of_a_gradient_that_is_not_finite_are_counted_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    module, checks = Breaking(1, what="gradient"), DivergenceChecks("skip", num_samples=0)
    with caplog.at_level(logging.WARNING):
        fit(module, checks, accumulate_grad_batches=2, max_epochs=1)
    assert checks.skipped == 1
    (record,) = caplog.records
    assert "of step 1 is not finite (epoch 0, batches 2 to 3, counted from 0: " in record.message
    assert "and 13 more" in record.message  # of 16


@pytest.mark.parametrize(
    ("module", "skipped"), [(Infinite(2), 1), (Breaking(2, what="gradient", value=torch.inf), 0)]
)
def test_in_float16_a_gradient_is_left_to_the_scaler(module: nn.Module, skipped: int) -> None:
    scaler = GradScaler("cpu", init_scale=16.0)
    changes, checks = Changes(), DivergenceChecks("skip", num_samples=0)
    fit(module, checks, changes, plugins=[MixedPrecision("16-mixed", "cpu", scaler)], max_epochs=1)
    assert changes.batches == [0, 1, 3, 4, 5]
    assert checks.skipped == skipped
    assert scaler.get_scale() == (16 if skipped else 8)
    assert finite(module)


class Overflowing(Predicting):
    """The inputs of some steps, and so the keys, are not finite."""

    def __init__(self, *steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.queues = nn.ModuleDict({"image": FillingQueue(64, 16)})
        self.pushed: list[Tensor] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        if self.trainer.global_step in self.steps and batch_idx % 2:
            batch = {**batch, "image": batch["image"] * torch.inf, "audio": batch["audio"] * torch.inf}
        keys = self.embed(batch)["image"].detach()
        self.pushed += [] if self.trainer.global_step in self.steps else [keys]
        return {"loss": super().training_step(batch, batch_idx), "keys": {"image": [keys]}}


@pytest.mark.parametrize(("accumulated", "steps"), [(1, [1, 3]), (2, [1])])
def test_a_skipped_step_changes_neither_running_statistics_nor_queues(
    accumulated: int, steps: list[int]
) -> None:
    module, update = Overflowing(*steps), QueueUpdate(allow_uneven=True)
    fit(module, DivergenceChecks("skip"), update, max_epochs=1, accumulate_grad_batches=accumulated)
    assert finite(module)
    queue = module.queues["image"]
    assert isinstance(queue, FillingQueue)
    assert torch.equal(queue.filled_rows, torch.cat(module.pushed))
    assert len(module.pushed) == STEPS_PER_EPOCH - 2


def test_without_skip_the_keys_are_pushed() -> None:
    module = Overflowing()
    fit(module, DivergenceChecks(), QueueUpdate(allow_uneven=True), max_epochs=1)
    queue = module.queues["image"]
    assert isinstance(queue, FillingQueue)
    assert len(queue.filled_rows) == 48


def test_too_many_skipped_steps_in_a_row_end_the_run() -> None:
    module, checks = Breaking(1, 3, 4, 5), DivergenceChecks("skip", max_skipped=3)
    with pytest.raises(DivergedError, match=r"step 5 is not finite.*3 steps in a row were left out"):
        fit(module, checks)
    assert checks.skipped == 4


def test_the_last_finite_checkpoint_is_kept(tmp_path: Path) -> None:
    saving = ModelCheckpoint(
        tmp_path, "last", every_n_train_steps=1, save_top_k=1, enable_version_counter=False
    )
    module = Breaking(3, what="gradient")
    with pytest.raises(DivergedError, match="of step 3"):
        fit(module, DivergenceChecks(), saving, enable_checkpointing=True, log_every_n_steps=1000)
    (path,) = tmp_path.iterdir()
    stored = torch.load(path, weights_only=True)
    assert stored["global_step"] == 3  # three steps were done
    assert all(bool(value.isfinite().all()) for value in stored["state_dict"].values())


@pytest.mark.parametrize("name", ["encoders.image.0.weight", "encoders.audio.1.running_var"])
def test_weights_that_are_not_finite_are_never_stored(name: str, tmp_path: Path) -> None:
    module, checks = Predicting(), DivergenceChecks()
    run = trainer(checks, max_epochs=1)
    run.fit(module, datamodule=StripeData())
    module.state_dict()[name].view(-1)[0] = torch.inf
    with pytest.raises(DivergedError, match=f"{name} is not finite after {STEPS_PER_EPOCH} steps"):
        run.save_checkpoint(tmp_path / "broken.ckpt")
    assert not any(tmp_path.iterdir())


def test_skipped_steps_are_counted_on_after_a_resume(tmp_path: Path) -> None:
    checks = DivergenceChecks("skip")
    fit(Breaking(1, what="gradient"), checks)
    resumed = DivergenceChecks("skip")
    resumed.load_state_dict(checks.state_dict())
    assert resumed.skipped == 1


class Constant(Embedding):
    """The features of one modality do not depend on the sample."""

    def embed(self, batch: Batch) -> dict[str, Tensor]:
        features = super().embed(batch)
        features["audio"] = features["audio"] * 0 + 1
        return features


def test_constant_features_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        fit(Constant(), DivergenceChecks(), max_epochs=3)
    (record,) = caplog.records
    assert record.message == (
        "DivergenceChecks: the audio features of 16 different samples are equal (after 1 epochs)"
    )


def test_a_run_of_very_many_epochs_is_looked_at_a_hundred_times() -> None:
    module, data = Embedding(), StripeData(0)
    trainer(DivergenceChecks(num_samples=2), max_epochs=250, limit_train_batches=1).fit(
        module, datamodule=data
    )
    assert data.passes == 1 + 125


class Silence(StripeData):
    """The audio of all samples is constant."""

    def pass_dataloader(self, epoch: int) -> Any:
        loader = super().pass_dataloader(epoch)
        data: Any = loader.dataset
        read = data.read
        data.read = lambda row, rng: {**read(row, rng), "audio": torch.full((1, 8, 8), -36.0)}
        return loader


def test_silent_audio_is_named() -> None:
    with pytest.raises(DivergedError, match="the audio of all 16 samples that were checked is constant"):
        trainer(DivergenceChecks(on_collapse="stop"), max_epochs=1).fit(Embedding(), datamodule=Silence())


def test_one_pseudo_label_for_all_samples_is_named() -> None:
    module = Predicting(pass_labels=48)
    module.pseudo_labels.table[:, 1] = CLUSTERS - 1
    with pytest.raises(DivergedError, match=r"all samples have one pseudo-label in clustering 1 of 3"):
        fit(module, DivergenceChecks(on_collapse="stop"))


class Queued(Embedding):
    def __init__(self, queue: FeatureQueue) -> None:
        super().__init__()
        self.queues = nn.ModuleDict({"image": queue})


def test_a_queue_of_equal_rows_is_named() -> None:
    queue = FeatureQueue(6, 4)
    assert not list(collapsed_queues(Queued(queue)))
    queue.rows[:] = queue.rows[:1]
    assert list(collapsed_queues(Queued(queue))) == ["the 6 rows of the queue image are equal"]
    filling = FillingQueue(6, 4)
    assert not list(collapsed_queues(Queued(filling)))  # empty
    filling.push(torch.ones(3, 4))
    assert list(collapsed_queues(Queued(filling))) == ["the 3 rows of the queue image are equal"]


def test_samples_without_a_modality_do_not_count_as_equal() -> None:
    features = {"audio": torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [0.0, 0.0]])}
    present = {"audio": torch.tensor([False, True, True, False])}
    assert not list(collapsed_features(features, present))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_spread_of_equal_rows_far_from_the_origin(dtype: torch.dtype) -> None:
    row = torch.randn(64, generator=torch.Generator().manual_seed(1))
    assert spread((1e4 * row).to(dtype).repeat(8, 1)) < 1e-12
    assert spread(torch.randn(8, 64, dtype=torch.float64).to(dtype)) > 0.5


def _broken_on_rank_1(folder: str) -> dict[str, Any]:
    is_broken = os.environ["RANK"] == "1"
    options = {"max_epochs": 1, "devices": 2, "strategy": "ddp", "log_every_n_steps": 1}
    changes, checks = Changes(), DivergenceChecks("skip", num_samples=0)
    skipping = Infinite(1) if is_broken else Infinite()
    trainer(checks, changes, **options).fit(skipping, datamodule=StripeData())
    weights = [value.detach() for value in skipping.parameters()]
    found = {"changed": changes.batches, "skipped": checks.skipped, "weights": weights}
    try:
        module = Breaking(2) if is_broken else Predicting()
        trainer(DivergenceChecks(), **options).fit(module, datamodule=StripeData())
    except DivergedError as error:
        return {**found, "error": str(error)}
    return {**found, "error": "none"}


def test_all_processes_stop_or_leave_the_step_out_and_one_names_its_samples(tmp_path: Path) -> None:
    first, second = in_two_processes(_broken_on_rank_1, tmp_path)
    start = "the loss of step 2 is not finite (epoch 0, batch 2, counted from 0: "
    assert first["error"].startswith(f"{start}samples of another process);")
    assert second["error"].startswith(start)
    assert "and 5 more);" in second["error"]
    for each in (first, second):
        assert each["changed"] == [0, 2]  # of three batches
        assert each["skipped"] == 1
    assert all(torch.equal(*pair) for pair in zip(first["weights"], second["weights"], strict=True))
